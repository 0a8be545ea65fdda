import { parseAddress } from "@bulkhead/clamav"
import { BearerToken } from "@bulkhead/http"
import { Either } from "effect"
import * as CallerKeys from "./CallerKeys.js"
import * as Formats from "./Formats.js"
import * as ImageList from "./ImageList.js"
import * as NetworkFormats from "./NetworkFormats.js"
import * as OtelFormats from "./OtelFormats.js"
import { format, optional, secret, withDefault } from "./Setting.js"

/** Every variable that the server reads beside the limits, in the order of docs/settings.md. */
export const variables = {
  port: withDefault({
    name: "PORT",
    meaning: "port to listen on; 0 takes a free one",
    format: Formats.port,
    otherwise: 8787
  }),
  host: withDefault({
    name: "HOST",
    meaning: "address or name to listen on",
    format: Formats.host,
    otherwise: "127.0.0.1"
  }),
  maxConnections: optional({
    name: "SANDBOX_MAX_CONNECTIONS",
    meaning: "connections at once, of all clients",
    format: Formats.positiveNumber("connections"),
    otherwise: "half of the file descriptors, 10000 at most"
  }),
  requestTimeout: withDefault({
    name: "SANDBOX_REQUEST_TIMEOUT",
    meaning: "seconds that a request may take to arrive whole",
    format: Formats.positiveNumber("seconds"),
    otherwise: 120
  }),
  adminToken: optional({
    name: "ADMIN_API_TOKEN",
    meaning: "the admin routes' token; a random one is printed at start",
    format: Formats.token,
    otherwise: "random"
  }),
  callerKeys: optional({
    name: "SANDBOX_API_KEYS",
    meaning: "`user:key` pairs, separated by commas; each caller then needs a key",
    format: CallerKeys.format,
    otherwise: "none"
  }),
  backend: optional({
    name: "SANDBOX_BACKEND",
    meaning: "`e2b` (E2B's cloud) or `embedded` (the embedded host), whatever the key says",
    format: Formats.oneOf("e2b", "embedded"),
    otherwise: "by the key"
  }),
  e2bApiKey: optional({
    name: "E2B_API_KEY",
    meaning: "E2B's key; with it, sandboxes run in E2B's cloud",
    format: secret("a key of E2B's", BearerToken.isToken),
    otherwise: "none"
  }),
  e2bTemplate: optional({
    name: "E2B_TEMPLATE",
    meaning: "the template of E2B's sandboxes",
    format: Formats.template,
    otherwise: "`base`"
  }),
  e2bDomain: optional({
    name: "E2B_DOMAIN",
    meaning: "E2B's domain, for a cluster of your own",
    format: Formats.domain,
    otherwise: "`e2b.app`"
  }),
  e2bApiUrl: optional({
    name: "E2B_API_URL",
    meaning: "E2B's API, for a cluster of your own",
    format: Formats.httpUrl,
    otherwise: "by the domain"
  }),
  e2bSandboxUrl: optional({
    name: "E2B_SANDBOX_URL",
    meaning: "where E2B's sandboxes are reached, for a cluster of your own",
    format: Formats.httpUrl,
    otherwise: "by the domain"
  }),
  network: optional({
    name: "SANDBOX_NETWORK",
    meaning: "most that programs get: `off`, `filtered`, `open`",
    format: Formats.oneOf("off", "filtered", "open"),
    otherwise: "`open` on E2B, `off` on the embedded host"
  }),
  networkAllow: optional({
    name: "SANDBOX_NETWORK_ALLOW",
    meaning: "what programs may connect to where it is `filtered`: see network.md",
    format: NetworkFormats.targets,
    otherwise: "none"
  }),
  networkDeny: optional({
    name: "SANDBOX_NETWORK_DENY",
    meaning: "those that they may not connect to, whatever allows it",
    format: NetworkFormats.targets,
    otherwise: "none"
  }),
  userNetwork: optional({
    name: "SANDBOX_USER_NETWORK",
    meaning: "less of it for single users: `ann pypi.org -b.pypi.org; bob off`",
    format: NetworkFormats.userPolicies,
    otherwise: "none"
  }),
  networkPrivate: optional({
    name: "SANDBOX_NETWORK_PRIVATE",
    meaning: "addresses inside that programs may connect to if allowed; embedded host only",
    format: NetworkFormats.addresses,
    otherwise: "none"
  }),
  networkMaxConnections: optional({
    name: "SANDBOX_NETWORK_MAX_CONNECTIONS",
    meaning: "connections at once of one sandbox; embedded host only",
    format: Formats.positiveNumber("connections"),
    otherwise: "64"
  }),
  networkMaxMB: optional({
    name: "SANDBOX_NETWORK_MAX_MB",
    meaning: "MB that one sandbox may send and receive; embedded host only",
    format: Formats.positiveNumber("MB"),
    otherwise: "1024"
  }),
  networkMBPerSecond: optional({
    name: "SANDBOX_NETWORK_MB_PER_SECOND",
    meaning: "MB in a second likewise; 0: no limit; embedded host only",
    format: Formats.wholeNumber("MB"),
    otherwise: "0"
  }),
  images: optional({
    name: "SANDBOX_IMAGES",
    meaning: "`name=place` pairs, separated by commas: what requests may choose by `image`",
    format: ImageList.format,
    otherwise: "none"
  }),
  nvidiaRoot: withDefault({
    name: "SANDBOX_NVIDIA_ROOT",
    meaning: "where NVIDIA's driver is installed, whose GPUs the embedded host gives to programs",
    format: Formats.absoluteDirectory,
    otherwise: "/"
  }),
  instance: optional({
    name: "SANDBOX_INSTANCE",
    meaning: "this server's name among those of one E2B account or database",
    format: Formats.word,
    otherwise: "kept in the data directory"
  }),
  dataDirectory: optional({
    name: "SANDBOX_DATA_DIR",
    meaning: "directory of the SQLite file and the artifacts",
    format: Formats.directory,
    otherwise: "`$XDG_STATE_HOME/bulkhead`"
  }),
  stateHome: optional({
    name: "XDG_STATE_HOME",
    meaning: "the user's directory for state, by the XDG standard",
    format: Formats.absoluteDirectory,
    otherwise: "`$HOME/.local/state`"
  }),
  home: optional({
    name: "HOME",
    meaning: "the user's home directory",
    format: Formats.absoluteDirectory,
    otherwise: "by the user database"
  }),
  databaseUrl: optional({
    name: "DATABASE_URL",
    meaning: "PostgreSQL instead of SQLite: `postgresql://user:password@host:5432/database`",
    format: Formats.databaseUrl,
    otherwise: "none"
  }),
  cluster: withDefault({
    name: "SANDBOX_CLUSTER",
    meaning: "`on`: servers on one PostgreSQL are one, with one set of limits: see scaling.md",
    format: Formats.oneOf("on", "off"),
    otherwise: "off"
  }),
  clusterHost: withDefault({
    name: "SANDBOX_CLUSTER_HOST",
    meaning: "address of this server that its other replicas reach; never an open one",
    format: Formats.host,
    otherwise: "127.0.0.1"
  }),
  clusterPort: withDefault({
    name: "SANDBOX_CLUSTER_PORT",
    meaning: "port for them; 0 takes a free one",
    format: Formats.port,
    otherwise: 0
  }),
  durability: withDefault({
    name: "SANDBOX_DURABILITY",
    meaning: "`full`: what is committed to SQLite survives a power loss too",
    format: Formats.oneOf("normal", "full"),
    otherwise: "normal"
  }),
  retentionDays: withDefault({
    name: "SANDBOX_RETENTION_DAYS",
    meaning: "days that an execution is kept after its end; 0: for ever",
    format: Formats.wholeNumber("days"),
    otherwise: 30
  }),
  retentionMB: withDefault({
    name: "SANDBOX_RETENTION_MB",
    meaning: "MB of executions, events, results and artifacts; 0: no limit",
    format: Formats.wholeNumber("MB"),
    otherwise: 10_240
  }),
  artifactStore: withDefault({
    name: "SANDBOX_ARTIFACT_STORE",
    meaning: "where artifacts are: `file` (data directory), `database` or `s3`: see artifacts.md",
    format: Formats.oneOf("file", "database", "s3"),
    otherwise: "file"
  }),
  s3Bucket: optional({
    name: "SANDBOX_S3_BUCKET",
    meaning: "the bucket of the artifacts",
    format: Formats.bucket,
    otherwise: "none"
  }),
  s3Prefix: optional({
    name: "SANDBOX_S3_PREFIX",
    meaning: "with what the names of all objects there begin, like `bulkhead/`",
    format: Formats.objectPrefix,
    otherwise: "nothing"
  }),
  s3Endpoint: optional({
    name: "SANDBOX_S3_ENDPOINT",
    meaning: "the store's address, where it is not Amazon's",
    format: Formats.httpUrl,
    otherwise: "Amazon's, by the region"
  }),
  s3Region: withDefault({
    name: "SANDBOX_S3_REGION",
    meaning: "the store's region",
    format: Formats.word,
    otherwise: "us-east-1"
  }),
  s3PathStyle: withDefault({
    name: "SANDBOX_S3_PATH_STYLE",
    meaning: "`on`: the bucket's name is in the path, not in the host's name",
    format: Formats.oneOf("on", "off"),
    otherwise: "off"
  }),
  awsAccessKeyId: optional({
    name: "AWS_ACCESS_KEY_ID",
    meaning: "the access key's id, of the bucket",
    format: Formats.accessKeyId,
    otherwise: "the machine's role"
  }),
  awsSecretAccessKey: optional({
    name: "AWS_SECRET_ACCESS_KEY",
    meaning: "the access key's secret",
    format: Formats.secretText,
    otherwise: "the machine's role"
  }),
  awsSessionToken: optional({
    name: "AWS_SESSION_TOKEN",
    meaning: "the session's token, where the access key is one of a session",
    format: Formats.secretText,
    otherwise: "none"
  }),
  artifactsMB: withDefault({
    name: "SANDBOX_ARTIFACTS_MB",
    meaning: "MB of all artifacts; one more is refused, not its execution; 0: no limit",
    format: Formats.wholeNumber("MB"),
    otherwise: 10_240
  }),
  userArtifactsMB: withDefault({
    name: "SANDBOX_USER_ARTIFACTS_MB",
    meaning: "MB of one user's artifacts, likewise; 0: no limit",
    format: Formats.wholeNumber("MB"),
    otherwise: 1024
  }),
  webhooks: withDefault({
    name: "SANDBOX_WEBHOOKS",
    meaning: "`off`: no webhook is sent, and a request with one is refused",
    format: Formats.oneOf("on", "off"),
    otherwise: "on"
  }),
  webhookNetworks: optional({
    name: "SANDBOX_WEBHOOK_NETWORKS",
    meaning: "networks inside to which webhooks may be sent, separated by commas",
    format: Formats.networks,
    otherwise: "none"
  }),
  webhookHours: withDefault({
    name: "SANDBOX_WEBHOOK_HOURS",
    meaning: "hours that a message is tried until it is given up",
    format: Formats.positiveNumber("hours"),
    otherwise: 24
  }),
  webhookConcurrency: withDefault({
    name: "SANDBOX_WEBHOOK_CONCURRENCY",
    meaning: "messages that are sent at once",
    format: Formats.positiveNumber("messages"),
    otherwise: 32
  }),
  uploadHours: withDefault({
    name: "SANDBOX_UPLOAD_HOURS",
    meaning: "hours that a file is kept which `POST /api/files` takes in",
    format: Formats.positiveNumber("hours"),
    otherwise: 24
  }),
  uploadsMB: withDefault({
    name: "SANDBOX_UPLOADS_MB",
    meaning: "MB of all files that callers send, on disk, each with 64 KiB more; 0: no limit",
    format: Formats.wholeNumber("MB"),
    otherwise: 4096
  }),
  userUploadsMB: withDefault({
    name: "SANDBOX_USER_UPLOADS_MB",
    meaning: "MB of one user's, likewise; 0: no limit",
    format: Formats.wholeNumber("MB"),
    otherwise: 1024
  }),
  eventLog: optional({
    name: "SANDBOX_EVENT_LOG",
    meaning: "`stdout`: every event is also a line of JSON there",
    format: Formats.oneOf("stdout", "off"),
    otherwise: "`off` on a terminal, else `stdout`"
  }),
  accessLog: withDefault({
    name: "SANDBOX_ACCESS_LOG",
    meaning: "`stdout`: every request is also a line of JSON there",
    format: Formats.oneOf("stdout", "off"),
    otherwise: "off"
  }),
  metricsPort: optional({
    name: "METRICS_PORT",
    meaning: "port on 127.0.0.1 that has `/metrics` without a token",
    format: Formats.port,
    otherwise: "none"
  }),
  metricsUsers: withDefault({
    name: "SANDBOX_METRICS_USERS",
    meaning: "`true`: there are metrics of each user, by name",
    format: Formats.oneOf("true", "false"),
    otherwise: "false"
  }),
  otelDisabled: withDefault({
    name: "OTEL_SDK_DISABLED",
    meaning: "`true`: nothing is sent to a collector, whatever else is set",
    format: Formats.oneOf("true", "false"),
    otherwise: "false"
  }),
  otelEndpoint: optional({
    name: "OTEL_EXPORTER_OTLP_ENDPOINT",
    meaning: "collector that gets traces and logs, by OTLP over HTTP",
    format: OtelFormats.endpoint,
    otherwise: "none"
  }),
  otelTracesEndpoint: optional({
    name: "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    meaning: "where traces go, the whole URL",
    format: OtelFormats.endpoint,
    otherwise: "`/v1/traces` of the collector"
  }),
  otelLogsEndpoint: optional({
    name: "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT",
    meaning: "where logs go, the whole URL",
    format: OtelFormats.endpoint,
    otherwise: "`/v1/logs` of the collector"
  }),
  otelProtocol: withDefault({
    name: "OTEL_EXPORTER_OTLP_PROTOCOL",
    meaning: "how they are encoded",
    format: Formats.oneOf("http/protobuf", "http/json"),
    otherwise: "http/protobuf"
  }),
  otelHeaders: optional({
    name: "OTEL_EXPORTER_OTLP_HEADERS",
    meaning: "headers for the collector, `name=value`, separated by commas",
    format: OtelFormats.headers,
    otherwise: "none"
  }),
  otelTimeout: withDefault({
    name: "OTEL_EXPORTER_OTLP_TIMEOUT",
    meaning: "milliseconds that the collector may take to answer",
    format: Formats.milliseconds,
    otherwise: 10_000
  }),
  otelInterval: withDefault({
    name: "OTEL_BSP_SCHEDULE_DELAY",
    meaning: "milliseconds between two sendings",
    format: Formats.milliseconds,
    otherwise: 5000
  }),
  otelServiceName: withDefault({
    name: "OTEL_SERVICE_NAME",
    meaning: "by which the collector knows this server",
    format: Formats.word,
    otherwise: "bulkhead"
  }),
  otelResource: optional({
    name: "OTEL_RESOURCE_ATTRIBUTES",
    meaning: "what else it is told of this server, `name=value`, separated by commas",
    format: OtelFormats.attributes,
    otherwise: "none"
  }),
  otelSampler: withDefault({
    name: "OTEL_TRACES_SAMPLER",
    meaning: "whether requests that come without a decision are traced",
    format: Formats.oneOf("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
    otherwise: "parentbased_always_on"
  }),
  otelSamplerRatio: withDefault({
    name: "OTEL_TRACES_SAMPLER_ARG",
    meaning: "of them, for `parentbased_traceidratio`, this part",
    format: OtelFormats.ratio,
    otherwise: 1
  }),
  /** E2B's list price of August 2026. */
  priceVcpuSecond: withDefault({
    name: "SANDBOX_PRICE_VCPU_SECOND",
    meaning: "US dollars for one vCPU and one second",
    format: Formats.dollars,
    otherwise: 0.000014
  }),
  /** E2B's list price of August 2026. */
  priceGibSecond: withDefault({
    name: "SANDBOX_PRICE_GIB_SECOND",
    meaning: "US dollars for one GiB of memory and one second",
    format: Formats.dollars,
    otherwise: 0.0000045
  }),
  priceGpuSecond: withDefault({
    name: "SANDBOX_PRICE_GPU_SECOND",
    meaning: "US dollars for one GPU and one second",
    format: Formats.dollars,
    otherwise: 0
  }),
  inspectionSeconds: withDefault({
    name: "SANDBOX_INSPECTION_SECONDS",
    meaning: "seconds that the look at one artifact may take; what takes longer is refused",
    format: Formats.seconds,
    otherwise: 10
  }),
  artifactKinds: optional({
    name: "SANDBOX_ARTIFACT_KINDS",
    meaning: "what programs may leave, like `all -video` or `images .csv`: see artifacts.md",
    format: Formats.artifactKinds,
    otherwise: "`all`"
  }),
  userArtifactKinds: optional({
    name: "SANDBOX_USER_ARTIFACT_KINDS",
    meaning: "the same of single users, over that: `ann images .csv; bob -video`",
    format: Formats.userArtifactKinds,
    otherwise: "none"
  }),
  activeArtifacts: withDefault({
    name: "SANDBOX_ACTIVE_ARTIFACTS",
    meaning: "`refuse`: no file is kept in which a browser or a reader finds a script to run",
    format: Formats.oneOf("keep", "refuse"),
    otherwise: "keep"
  }),
  clamavAddress: optional({
    name: "CLAMAV_ADDRESS",
    meaning: "where clamd listens, `unix:/path` or `tcp:host:port`; without it nothing is scanned",
    format: format("unix:/path/of/a/socket or tcp:host:port", (text) => Either.getRight(parseAddress(text))),
    otherwise: "none"
  }),
  codeAnalysis: withDefault({
    name: "SANDBOX_CODE_ANALYSIS",
    meaning: "`report` tells of hostile code, `enforce` refuses it: see code-analysis.md",
    format: Formats.oneOf("off", "report", "enforce"),
    otherwise: "off"
  }),
  codeAnalysisUnsure: withDefault({
    name: "SANDBOX_CODE_ANALYSIS_UNSURE",
    meaning: "`refuse`: `enforce` also refuses code that could not be analysed",
    format: Formats.oneOf("run", "refuse"),
    otherwise: "run"
  }),
  codeAnalysisRules: optional({
    name: "SANDBOX_CODE_ANALYSIS_RULES",
    meaning: "file of further rules for code, in JSON",
    format: Formats.absoluteFile,
    otherwise: "none"
  }),
  secretsFile: optional({
    name: "SANDBOX_SECRETS_FILE",
    meaning: "file of secrets that requests may name, its owner's alone: see secrets.md",
    format: Formats.absoluteFile,
    otherwise: "none"
  }),
  networkAuthorities: optional({
    name: "SANDBOX_NETWORK_CA",
    meaning: "file of certificates (PEM) to trust of hosts that get secrets, beside the usual ones",
    format: Formats.absoluteFile,
    otherwise: "none"
  }),
  mcpUrl: optional({
    name: "SANDBOX_MCP_URL",
    meaning: "the running server that `npm run mcp` speaks to",
    format: Formats.httpUrl,
    otherwise: "none: it runs programs itself"
  }),
  mcpKey: optional({
    name: "SANDBOX_MCP_KEY",
    meaning: "the caller's key with which `npm run mcp` does so",
    format: secret("a caller's key", BearerToken.isToken),
    otherwise: "none"
  })
}
