//! The tables: each service's actions, and what each may carry.
//!
//! `apart` marks what reaches further than a route's words let one think; only a route that lists it admits it.
//! Left out, and so refused: batches over several tables, transactions, statements in a query language, grants of keys,
//! changes of policies and settings, and whatever came after the table was written.

use super::{Action, Content, Names, Protocol, Selector, Service};
use crate::effect::Verb;

const NONE: Names = Names {
    always: &[],
    listed: &[],
};

const fn action(name: &'static str, verb: Verb) -> Action {
    Action {
        name,
        verb,
        ordinary: true,
        mints: false,
        content: Content::None,
        query: NONE,
        headers: NONE,
        path: ("", ""),
    }
}

const fn read(name: &'static str) -> Action {
    action(name, Verb::Read)
}

const fn write(name: &'static str) -> Action {
    action(name, Verb::Write)
}

const fn delete(name: &'static str) -> Action {
    action(name, Verb::Delete)
}

impl Action {
    const fn apart(self) -> Self {
        Self {
            ordinary: false,
            ..self
        }
    }

    const fn minting(self) -> Self {
        Self {
            mints: true,
            ..self
        }
    }

    const fn takes(self, content: Content) -> Self {
        Self { content, ..self }
    }

    const fn json(self, members: &'static [&'static str]) -> Self {
        self.takes(Content::Json(members))
    }

    const fn query(self, always: &'static [&'static str], listed: &'static [&'static str]) -> Self {
        Self {
            query: Names { always, listed },
            ..self
        }
    }

    const fn headers(
        self,
        always: &'static [&'static str],
        listed: &'static [&'static str],
    ) -> Self {
        Self {
            headers: Names { always, listed },
            ..self
        }
    }

    const fn at(self, method: &'static str, path: &'static str) -> Self {
        Self {
            path: (method, path),
            ..self
        }
    }
}

const fn selector(name: &'static str, at: &'static str) -> Selector {
    Selector {
        name,
        optional: false,
        at,
    }
}

const fn perhaps(name: &'static str, at: &'static str) -> Selector {
    Selector {
        name,
        optional: true,
        at,
    }
}

/// Every service whose actions are known.
pub const SERVICES: &[Service] = &[
    Service {
        name: "s3",
        scope: "s3",
        protocol: Protocol::S3,
        selectors: &[selector("bucket", ""), perhaps("prefix", "")],
        actions: S3,
    },
    Service {
        name: "dynamodb",
        scope: "dynamodb",
        protocol: Protocol::Json {
            prefix: "DynamoDB_20120810",
            media: "application/x-amz-json-1.0",
        },
        selectors: &[selector("table", "TableName")],
        actions: DYNAMODB,
    },
    Service {
        name: "sqs",
        scope: "sqs",
        protocol: Protocol::Json {
            prefix: "AmazonSQS",
            media: "application/x-amz-json-1.0",
        },
        selectors: &[selector("account", ""), selector("queue", "QueueUrl")],
        actions: SQS,
    },
    Service {
        name: "sns",
        scope: "sns",
        protocol: Protocol::Query {
            version: "2010-03-31",
        },
        selectors: &[selector("topic", "TopicArn")],
        actions: SNS,
    },
    Service {
        name: "lambda",
        scope: "lambda",
        protocol: Protocol::Rest,
        selectors: &[selector("function", "")],
        actions: LAMBDA,
    },
    Service {
        name: "kms",
        scope: "kms",
        protocol: Protocol::Json {
            prefix: "TrentService",
            media: "application/x-amz-json-1.1",
        },
        selectors: &[selector("key", "KeyId")],
        actions: KMS,
    },
    Service {
        name: "secretsmanager",
        scope: "secretsmanager",
        protocol: Protocol::Json {
            prefix: "secretsmanager",
            media: "application/x-amz-json-1.1",
        },
        selectors: &[selector("secret", "SecretId")],
        actions: SECRETS,
    },
    Service {
        name: "bedrock-runtime",
        scope: "bedrock",
        protocol: Protocol::Rest,
        selectors: &[selector("model", "")],
        actions: BEDROCK,
    },
    Service {
        name: "sts",
        scope: "sts",
        protocol: Protocol::Query {
            version: "2011-06-15",
        },
        selectors: &[perhaps("role", "RoleArn")],
        actions: STS,
    },
];

const IF: &[&str] = &[
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "range",
    "x-amz-expected-bucket-owner",
];
const GET_MORE: &[&str] = &["x-amz-checksum-mode", "x-amz-request-payer"];
const RESPONSE: &[&str] = &[
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
];
const PUT: &[&str] = &[
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-md5",
    "content-type",
    "expires",
    "if-match",
    "if-none-match",
    "x-amz-checksum-*",
    "x-amz-expected-bucket-owner",
    "x-amz-meta-*",
    "x-amz-sdk-checksum-algorithm",
];
const PUT_MORE: &[&str] = &[
    "x-amz-request-payer",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-bucket-key-enabled",
    "x-amz-storage-class",
];
const PLAIN: &[&str] = &[
    "content-md5",
    "content-type",
    "x-amz-checksum-*",
    "x-amz-expected-bucket-owner",
    "x-amz-sdk-checksum-algorithm",
];
const OWNER: &[&str] = &["x-amz-expected-bucket-owner"];

// Access control, tags and a source that stand in the header fields of another action are effects of their own: the
// `aws` kind reads them, and they are in no list here but the one of the action that they are.
const S3: &[Action] = &[
    read("GetObject")
        .query(&["x-id"], RESPONSE)
        .headers(IF, GET_MORE),
    read("GetObjectVersion")
        .apart()
        .query(&["versionId", "x-id"], RESPONSE)
        .headers(IF, GET_MORE),
    read("HeadObject")
        .query(&[], RESPONSE)
        .headers(IF, GET_MORE),
    read("HeadBucket").headers(OWNER, &[]),
    read("ListObjectsV2")
        .query(
            &[
                "continuation-token",
                "delimiter",
                "encoding-type",
                "list-type",
                "max-keys",
                "prefix",
                "start-after",
                "x-id",
            ],
            &["fetch-owner"],
        )
        .headers(OWNER, &["x-amz-request-payer"]),
    read("GetBucketLocation")
        .query(&["location"], &[])
        .headers(OWNER, &[]),
    read("ListParts")
        .query(
            &["max-parts", "part-number-marker", "uploadId", "x-id"],
            &[],
        )
        .headers(OWNER, &[]),
    read("GetObjectAcl")
        .apart()
        .query(&["acl"], &[])
        .headers(OWNER, &[]),
    read("GetObjectTagging")
        .apart()
        .query(&["tagging"], &[])
        .headers(OWNER, &[]),
    write("PutObject")
        .takes(Content::Opaque)
        .query(&["x-id"], &[])
        .headers(PUT, PUT_MORE),
    write("CreateMultipartUpload")
        .takes(Content::Opaque)
        .query(&["uploads", "x-id"], &[])
        .headers(PUT, PUT_MORE),
    write("UploadPart")
        .takes(Content::Opaque)
        .query(&["partNumber", "uploadId", "x-id"], &[])
        .headers(PLAIN, &["x-amz-request-payer"]),
    write("CompleteMultipartUpload")
        .takes(Content::Opaque)
        .query(&["uploadId", "x-id"], &[])
        .headers(PLAIN, &["if-match", "if-none-match"]),
    write("AbortMultipartUpload")
        .query(&["uploadId", "x-id"], &[])
        .headers(OWNER, &[]),
    write("CopyObject").apart().query(&["x-id"], &[]).headers(
        &[
            "x-amz-checksum-algorithm",
            "x-amz-copy-source",
            "x-amz-copy-source-if-match",
            "x-amz-expected-bucket-owner",
            "x-amz-source-expected-bucket-owner",
        ],
        PUT_MORE,
    ),
    write("PutObjectAcl")
        .apart()
        .takes(Content::Opaque)
        .query(&["acl"], &[])
        .headers(
            &[
                "content-md5",
                "content-type",
                "x-amz-acl",
                "x-amz-grant-*",
                "x-amz-expected-bucket-owner",
            ],
            &[],
        ),
    write("PutObjectTagging")
        .apart()
        .takes(Content::Opaque)
        .query(&["tagging"], &[])
        .headers(PLAIN, &[]),
    delete("DeleteObject")
        .query(&["x-id"], &[])
        .headers(OWNER, &[]),
    delete("DeleteObjectVersion")
        .apart()
        .query(&["versionId", "x-id"], &[])
        .headers(OWNER, &[]),
    delete("DeleteObjects")
        .apart()
        .takes(Content::Opaque)
        .query(&["delete"], &[])
        .headers(PLAIN, &[]),
];

const DYNAMODB: &[Action] = &[
    read("GetItem").json(&[
        "ConsistentRead",
        "ExpressionAttributeNames",
        "Key",
        "ProjectionExpression",
        "ReturnConsumedCapacity",
        "TableName",
    ]),
    read("Query").json(QUERY),
    read("Scan").apart().json(&[
        "ConsistentRead",
        "ExclusiveStartKey",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "FilterExpression",
        "IndexName",
        "Limit",
        "ProjectionExpression",
        "ReturnConsumedCapacity",
        "Segment",
        "Select",
        "TableName",
        "TotalSegments",
    ]),
    read("DescribeTable").json(&["TableName"]),
    write("PutItem").json(&[
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "Item",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
        "TableName",
    ]),
    write("UpdateItem").json(&[
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "Key",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
        "TableName",
        "UpdateExpression",
    ]),
    delete("DeleteItem").json(&[
        "ConditionExpression",
        "ExpressionAttributeNames",
        "ExpressionAttributeValues",
        "Key",
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
        "ReturnValues",
        "ReturnValuesOnConditionCheckFailure",
        "TableName",
    ]),
];

const QUERY: &[&str] = &[
    "ConsistentRead",
    "ExclusiveStartKey",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "FilterExpression",
    "IndexName",
    "KeyConditionExpression",
    "Limit",
    "ProjectionExpression",
    "ReturnConsumedCapacity",
    "ScanIndexForward",
    "Select",
    "TableName",
];

const MODE: &[&str] = &["x-amzn-query-mode"];

const SQS: &[Action] = &[
    read("ReceiveMessage").headers(MODE, &[]).json(&[
        "AttributeNames",
        "MaxNumberOfMessages",
        "MessageAttributeNames",
        "MessageSystemAttributeNames",
        "QueueUrl",
        "ReceiveRequestAttemptId",
        "VisibilityTimeout",
        "WaitTimeSeconds",
    ]),
    read("GetQueueAttributes")
        .headers(MODE, &[])
        .json(&["AttributeNames", "QueueUrl"]),
    write("SendMessage").headers(MODE, &[]).json(&[
        "DelaySeconds",
        "MessageAttributes",
        "MessageBody",
        "MessageDeduplicationId",
        "MessageGroupId",
        "QueueUrl",
    ]),
    write("SendMessageBatch")
        .headers(MODE, &[])
        .json(&["Entries", "QueueUrl"]),
    write("ChangeMessageVisibility").headers(MODE, &[]).json(&[
        "QueueUrl",
        "ReceiptHandle",
        "VisibilityTimeout",
    ]),
    delete("DeleteMessage")
        .headers(MODE, &[])
        .json(&["QueueUrl", "ReceiptHandle"]),
    delete("DeleteMessageBatch")
        .headers(MODE, &[])
        .json(&["Entries", "QueueUrl"]),
    delete("PurgeQueue")
        .apart()
        .headers(MODE, &[])
        .json(&["QueueUrl"]),
];

// Publish to a phone number or an endpoint names no topic and is in no list.
const SNS: &[Action] = &[
    read("GetTopicAttributes").takes(Content::Form(&["Action", "TopicArn", "Version"])),
    write("Publish").takes(Content::Form(&[
        "Action",
        "Message",
        "MessageAttributes.entry.*",
        "MessageDeduplicationId",
        "MessageGroupId",
        "MessageStructure",
        "Subject",
        "TopicArn",
        "Version",
    ])),
];

const LAMBDA: &[Action] = &[
    write("Invoke")
        .at("POST", "/2015-03-31/functions/{}/invocations")
        .takes(Content::Opaque)
        .query(&[], &["Qualifier"])
        .headers(
            &["content-type", "x-amz-invocation-type", "x-amz-log-type"],
            &["x-amz-client-context"],
        ),
    write("InvokeWithResponseStream")
        .at(
            "POST",
            "/2021-11-15/functions/{}/response-streaming-invocations",
        )
        .takes(Content::Opaque)
        .query(&[], &["Qualifier"])
        .headers(
            &["content-type", "x-amz-invocation-type", "x-amz-log-type"],
            &["x-amz-client-context"],
        ),
];

// `GrantTokens` would lend a call the power of somebody else's grant, and `Recipient` sends the answer to another reader.
const KMS: &[Action] = &[
    read("DescribeKey").json(&["KeyId"]),
    read("GetPublicKey").json(&["KeyId"]),
    read("Verify").json(&[
        "KeyId",
        "Message",
        "MessageType",
        "Signature",
        "SigningAlgorithm",
    ]),
    read("VerifyMac").json(&["KeyId", "Mac", "MacAlgorithm", "Message"]),
    write("Encrypt").json(&[
        "EncryptionAlgorithm",
        "EncryptionContext",
        "KeyId",
        "Plaintext",
    ]),
    write("Sign").json(&["KeyId", "Message", "MessageType", "SigningAlgorithm"]),
    write("GenerateMac").json(&["KeyId", "MacAlgorithm", "Message"]),
    write("GenerateDataKeyWithoutPlaintext").json(&[
        "EncryptionContext",
        "KeyId",
        "KeySpec",
        "NumberOfBytes",
    ]),
    write("Decrypt").apart().minting().json(&[
        "CiphertextBlob",
        "EncryptionAlgorithm",
        "EncryptionContext",
        "KeyId",
    ]),
    write("GenerateDataKey").apart().minting().json(&[
        "EncryptionContext",
        "KeyId",
        "KeySpec",
        "NumberOfBytes",
    ]),
];

const SECRETS: &[Action] = &[
    read("DescribeSecret").json(&["SecretId"]),
    read("GetSecretValue")
        .minting()
        .json(&["SecretId", "VersionId", "VersionStage"]),
    write("PutSecretValue").apart().json(&[
        "ClientRequestToken",
        "SecretBinary",
        "SecretId",
        "SecretString",
        "VersionStages",
    ]),
];

const GUARDRAIL: &[&str] = &[
    "x-amzn-bedrock-guardrailidentifier",
    "x-amzn-bedrock-guardrailversion",
    "x-amzn-bedrock-performanceconfig-latency",
    "x-amzn-bedrock-service-tier",
    "x-amzn-bedrock-trace",
];
const CONVERSE: &[&str] = &[
    "additionalModelRequestFields",
    "additionalModelResponseFieldPaths",
    "guardrailConfig",
    "inferenceConfig",
    "messages",
    "outputConfig",
    "performanceConfig",
    "requestMetadata",
    "serviceTier",
    "system",
    "toolConfig",
];

const BEDROCK: &[Action] = &[
    write("InvokeModel")
        .at("POST", "/model/{}/invoke")
        .takes(Content::AnyJson)
        .headers(&["accept", "content-type"], GUARDRAIL),
    write("InvokeModelWithResponseStream")
        .at("POST", "/model/{}/invoke-with-response-stream")
        .takes(Content::AnyJson)
        .headers(&["content-type", "x-amzn-bedrock-accept"], GUARDRAIL),
    write("Converse")
        .at("POST", "/model/{}/converse")
        .json(CONVERSE)
        .headers(&["content-type"], &[]),
    write("ConverseStream")
        .at("POST", "/model/{}/converse-stream")
        .json(CONVERSE)
        .headers(&["content-type"], &[]),
];

const STS: &[Action] = &[
    read("GetCallerIdentity")
        .minting()
        .takes(Content::Form(&["Action", "Version"])),
    write("AssumeRole").apart().minting().takes(Content::Form(&[
        "Action",
        "DurationSeconds",
        "ExternalId",
        "Policy",
        "RoleArn",
        "RoleSessionName",
        "SourceIdentity",
        "Version",
    ])),
];
