"""OpenStack Swift with its S3 API, whole in one process, on ports that the system chooses.

Argument: an empty directory for all it keeps. Prints its URL, or `missing: ` and why it cannot run.
"""

import array
import os
import sys

# Nothing here has to outlive the process.
os.fsync = os.fdatasync = lambda descriptor: None

home = sys.argv[1]
data = os.path.join(home, "data")
os.makedirs(os.path.join(data, "disk"))

try:
    os.setxattr(data, "user.try", b"1")
    import eventlet

    eventlet.patcher.monkey_patch(all=False, socket=True, select=True, thread=True, time=True)
    import eventlet.wsgi
    from swift.common import storage_policy, utils
except (ImportError, OSError) as error:
    print(f"missing: {error}", flush=True)
    sys.exit(0)


def written(name, text):
    path = os.path.join(home, name)
    with open(path, "w") as file:
        file.write(text)
    return path


utils.SWIFT_CONF_FILE = storage_policy.SWIFT_CONF_FILE = written(
    "swift.conf", "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n"
)
utils.HASH_PATH_PREFIX, utils.HASH_PATH_SUFFIX = b"a", b"b"
utils.validate_hash_conf = lambda: None
storage_policy.reload_storage_policies()

from swift.account.server import AccountController
from swift.common.ring import RingData
from swift.common.wsgi import SwiftHttpProtocol, loadapp
from swift.container.server import ContainerController
from swift.obj.server import ObjectController

# The proxy goes through its own tokens last: `s3api` finds the account by the key that signed the request.
PROXY = f"""[DEFAULT]
swift_dir = {home}
[pipeline:main]
pipeline = catch_errors cache bulk s3api tempauth copy slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
allow_account_management = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:1
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = secret .admin
[filter:copy]
use = egg:swift#copy
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""

options = {"devices": data, "swift_dir": home, "mount_check": "false", "fallocate_reserve": "0"}
backends = {"account": AccountController, "container": ContainerController, "object": ObjectController}
log = open(os.path.join(home, "log"), "w")
threads = []


def serve(app):
    listener = eventlet.listen(("127.0.0.1", 0))
    threads.append(eventlet.spawn(eventlet.wsgi.server, listener, app, log, protocol=SwiftHttpProtocol))
    return listener.getsockname()[1]


for name, controller in backends.items():
    port = serve(controller(options))
    address = {"ip": "127.0.0.1", "port": port, "replication_ip": "127.0.0.1", "replication_port": port}
    device = {"id": 0, "region": 1, "zone": 1, "weight": 1, "device": "disk", **address}
    RingData([array.array("H", [0])], [device], 32).save(os.path.join(home, f"{name}.ring.gz"))

print(f"http://127.0.0.1:{serve(loadapp(written('proxy.conf', PROXY)))}", flush=True)
for thread in threads:
    thread.wait()
