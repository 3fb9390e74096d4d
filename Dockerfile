# Minium in an image of one file: the static binary, on nothing, as a user who is not root.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cp "$(tests/static-binary release)" /minium && strip /minium && mkdir /data

FROM scratch
COPY --from=build /minium /minium
COPY --from=build --chown=65532:65532 /data /data
# In a container only what is published or linked reaches the port, and all of that comes from another address: protected
# mode would refuse everybody. Set a password where the port is published to more than the machine itself.
ENV MINIUM_PROTECTED_MODE=no
USER 65532:65532
WORKDIR /data
VOLUME /data
EXPOSE 6379
HEALTHCHECK --interval=5s --timeout=3s --start-period=60s CMD ["/minium", "--healthcheck"]
ENTRYPOINT ["/minium"]
