# A first version of the enclave's image: the static binary alone, as an image without anything else in it.
#
#   docker build -f enclave.Dockerfile -t claviger-enclave .
#
# It is not yet reproducible to the byte (P12 is pending): the base image is named by tag, and no EIF is made from it here.
FROM rust:1.95.0-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends musl-tools && rm -rf /var/lib/apt/lists/*
RUN rustup target add x86_64-unknown-linux-musl
WORKDIR /src
COPY . .
ENV AWS_LC_SYS_USE_SYSTEM=0 SOURCE_DATE_EPOCH=0
RUN cargo build --locked --release -p claviger-enclave --target x86_64-unknown-linux-musl --bin claviger-enclave

FROM scratch
COPY --from=build /src/target/x86_64-unknown-linux-musl/release/claviger-enclave /init
ENTRYPOINT ["/init"]
