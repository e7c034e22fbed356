//! Mock KMS.
