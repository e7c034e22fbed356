# The enclave's image, built where Docker is, with the tools that image/toolchain.lock names; the same bytes as `make eif`
# makes on such a machine.
#
#   docker build -f enclave.Dockerfile --output type=local,dest=target/image .
#
# Packages come from Debian's archive as it stood at SNAPSHOT, so that they are there in years. Whatever the base image brings, the
# lock is compared with the very bytes of compiler, linker and libraries before anything is built, and a difference ends the build.
FROM rust:1.95.0-bookworm AS build
ARG SNAPSHOT=20261130T000000Z
RUN rm -f /etc/apt/sources.list.d/* \
 && for suite in "debian bookworm" "debian bookworm-updates" "debian-security bookworm-security"; do \
      set -- $suite; echo "deb [check-valid-until=no] http://snapshot.debian.org/archive/$1/$SNAPSHOT $2 main"; \
    done >/etc/apt/sources.list \
 && apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends --allow-downgrades \
      gcc-12=12.2.0-14+deb12u1 binutils=2.40-2 libc6-dev=2.36-9+deb12u14 libc6=2.36-9+deb12u14 \
      make flex bison bc libelf-dev xz-utils cpio \
 && rm -rf /var/lib/apt/lists/*.lz4
WORKDIR /claviger
COPY . .
ENV CLAVIGER_LOCKED=1 CARGO_TARGET_DIR=/tmp/tools
RUN scripts/image build /out

FROM scratch
COPY --from=build /out/claviger.eif /out/release.json /
