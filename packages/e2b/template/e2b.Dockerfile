# A template for E2B without the ways to root that its provisioning leaves, and with the supervisor in it. Built from
# the repository's root; docs/isolation.md says how.
FROM debian:12
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates nodejs python3 && rm -rf /var/lib/apt/lists/*
# Under the name at which it is looked for, which is made of its contents.
COPY packages/guest/bin/guest-x64 /tmp/guest
RUN install -D -m 755 /tmp/guest /opt/bulkhead/guest-$(sha256sum /tmp/guest | cut -c 1-16) && rm /tmp/guest
# E2B prepares the machine after this file, so what shuts its ways runs as the template's start command.
COPY packages/e2b/template/harden.sh /opt/bulkhead/harden.sh
RUN chmod 755 /opt/bulkhead/harden.sh
