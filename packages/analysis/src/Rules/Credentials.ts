import type { Rule } from "../Rule.js"
import { reads } from "./Names.js"

const kind = "credential-theft"

const files =
  "/etc/(?:g)?shadow(?:-)?$|(?:^|/)\\.ssh/id_(?:rsa|dsa|ecdsa|ed25519)$|(?:^|/)\\.aws/credentials$|(?:^|/)\\.config/gcloud/(?:application_default_credentials\\.json|credentials\\.db)|(?:^|/)\\.azure/(?:accessTokens|msal_token_cache)|(?:^|/)\\.kube/config$|/var/run/secrets/kubernetes\\.io/serviceaccount/token|(?:^|/)\\.docker/config\\.json$|(?:^|/)\\.git-credentials$|(?:^|/)\\.netrc$|/Login Data$|(?:^|/)\\.mozilla/firefox.*(?:logins\\.json|key4\\.db)|(?:^|/)\\.gnupg/(?:secring|private-keys)|^/proc/(?:1|\\d+|\\*)/environ$|wallet\\.dat$|(?:^|/)\\.pgpass$|(?:^|/)\\.npmrc$|(?:^|/)\\.pypirc$"

const surely =
  "^/etc/g?shadow-?$|(?:^|/)\\.ssh/id_(?:rsa|dsa|ecdsa|ed25519)$|(?:^|/)\\.aws/credentials$|application_default_credentials\\.json$|/serviceaccount/token$|(?:^|/)\\.git-credentials$|/Login Data$|(?:logins\\.json|key4\\.db)$|^/proc/(?:1|\\*)/environ$|wallet\\.dat$|(?:^|/)\\.kube/config$"

const senders = {
  python: ["requests.post", "requests.put", "urllib.request.*", "httpx.post", "*.send*", "http.client.*"],
  javascript: ["fetch", "*.request", "axios*", "*.post", "*.write", "*.send"],
  bash: ["curl", "wget", "nc", "ncat", "netcat", "scp", "rsync", "ftp", "write-to"]
} as const

const languages = ["python", "javascript", "bash"] as const
type Names = [string, ...Array<string>]

export const credentials: ReadonlyArray<Rule> = [
  ...languages.map((language) => ({
    id: `${language}-credential-file`,
    kind,
    languages: [language] as [typeof language],
    message: "reads a file of credentials, like keys of SSH, of a cloud or of a browser",
    all: [{ calls: [...reads[language]] as Names, arguments: [surely] }] as Rule["all"]
  })),
  ...languages.map((language) => ({
    id: `${language}-credential-file-sent`,
    kind,
    languages: [language] as [typeof language],
    message: "reads a file that may hold credentials, and sends something away",
    all: [
      { calls: [...reads[language]] as Names, arguments: [files] },
      { calls: [...senders[language]] as Names }
    ] as Rule["all"]
  })),
  {
    id: "python-environment-sent",
    kind,
    languages: ["python"],
    message: "sends its whole environment away",
    all: [
      {
        calls: ["requests.post", "requests.get", "urllib.request.*", "httpx.post", "*.sendall"],
        madeWith: ["os.environ.items", "os.environ.copy", "os.environ"]
      }
    ]
  },
  {
    id: "bash-environment-sent",
    kind,
    languages: ["bash"],
    message: "sends its whole environment away",
    all: [{ calls: ["curl", "wget", "nc", "ncat", "netcat"], madeWith: ["env", "printenv", "set"] }]
  },
  {
    id: "bash-key-search",
    kind,
    languages: ["bash"],
    message: "searches the disk for private keys",
    all: [
      {
        calls: ["find", "locate", "grep"],
        arguments: ["^id_(rsa|ed25519|ecdsa|dsa)\\*?$|^\\*\\.pem$|BEGIN (?:RSA|OPENSSH) PRIVATE KEY"]
      },
      { calls: ["find", "locate", "grep"], arguments: ["^/(home|root|etc)?/?$"] }
    ]
  }
]
