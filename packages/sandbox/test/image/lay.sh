#!/bin/sh
# Lays out an image with the ways to root that E2B's own provisioning of Debian leaves, and more of the kind, and
# becomes its first process. Runs as root in mount and process namespaces of its own. IMAGE is an empty directory, NODE
# and GUEST are programs of the machine.
set -e
mount -t tmpfs -o mode=755 none "$IMAGE"
here=$(dirname "$(readlink -f "$0")")
mkdir -p "$IMAGE/opt"
cp "$here/init.mjs" "$GUEST" "$IMAGE/opt/"
cp "$here/forge.mjs" "$IMAGE/opt/forge.mjs"
touch "$IMAGE/opt/node"
mount --bind "$NODE" "$IMAGE/opt/node"
cd "$IMAGE"
mkdir -p usr etc/profile.d home/user tmp root run/shell dev proc srv/job srv/door opt/bulkhead old
for name in bin sbin lib lib32 lib64 libx32; do ln -s usr/$name $name; done
mount --rbind /usr usr
mount -t tmpfs -o mode=755 none usr/local
mkdir usr/local/bin
cp /bin/bash usr/local/bin/sudo
chmod 4755 usr/local/bin/sudo
echo 'true' > srv/job/run
echo 'true' > usr/local/bin/tick
echo 'true' > etc/profile.d/own.sh
chmod -R 777 usr/local/bin/tick srv/job etc/profile.d
chmod 777 usr/local usr/local/bin
chmod 1777 tmp
chmod +x opt/*.mjs
printf 'root:x:0:0::/root:/bin/bash\nuser:x:1000:1000::/home/user:/bin/bash\n' > etc/passwd
printf 'root::19000:0:99999:7:::\nuser:*:19000:0:99999:7:::\n' > etc/shadow
echo '. /etc/profile.d/own.sh' > etc/profile
echo 'true' > home/user/own.sh
chown -R 1000:1000 home/user
for name in null zero urandom; do touch dev/$name; mount --bind /dev/$name dev/$name; done
ln -s /proc/self/fd dev/fd
mount -t proc none proc
pivot_root . old
umount -l old
exec /opt/node /opt/init.mjs
