import type { Rule } from "../Rule.js"

const kind = "miner"

export const miners: ReadonlyArray<Rule> = [
  {
    id: "mining-pool",
    kind,
    languages: ["python", "javascript", "bash"],
    message: "names a mining pool by the protocol of miners",
    all: [{ text: "\\bstratum(?:2)?\\+(?:tcp|ssl|tls|udp)://" }]
  },
  {
    id: "stratum-login",
    kind,
    languages: ["python", "javascript"],
    message: "speaks the protocol of mining pools",
    all: [
      { text: "mining\\.(?:subscribe|authorize|submit)" },
      { calls: ["*socket*", "*connect*", "net.*", "tls.*", "asyncio.*"] }
    ]
  },
  {
    id: "miner-program",
    kind,
    languages: ["bash"],
    message: "starts a program that mines",
    all: [
      {
        calls: [
          "xmrig*",
          "minerd",
          "cpuminer*",
          "ethminer",
          "nbminer",
          "t-rex",
          "phoenixminer",
          "lolMiner",
          "cgminer",
          "bfgminer",
          "nheqminer",
          "xmr-stak*",
          "srbminer*",
          "ccminer",
          "kswapd0"
        ]
      }
    ]
  },
  {
    id: "miner-download",
    kind,
    languages: ["python", "javascript", "bash"],
    message: "fetches a program that mines",
    all: [
      {
        calls: [
          "curl",
          "wget",
          "git",
          "requests.*",
          "urllib.request.*",
          "fetch",
          "https.*",
          "http.*",
          "axios*"
        ],
        arguments: ["(?:xmrig|cpuminer|xmr-stak|nbminer|ethminer|srbminer)[^]*"]
      }
    ]
  },
  {
    id: "browser-miner",
    kind,
    languages: ["javascript"],
    message: "starts a miner made for browsers",
    all: [
      { calls: ["CoinHive.*", "CoinImp.*", "Client.Anonymous", "CryptoLoot.*", "deepMiner.*", "coinhive.*"] }
    ]
  }
]
