#!/bin/sh
# harden.sh [ROOT]: shuts the ways to root of a machine, or of the tree below ROOT, for good. Runs as root, once, after
# all that prepares the machine and before it is kept as a template. Ends with an error where a way is left.
set -eu
root=${1:-}
writes="-perm /022 -o -uid 1000"
trusted="$root/usr $root/etc $root/opt $root/root $root/boot $root/var/spool"
places=
for place in $trusted; do if [ -d "$place" ]; then places="$places $place"; fi; done

# Nobody logs in.
if [ -z "$root" ] && command -v systemctl > /dev/null; then
  systemctl mask --now ssh.socket ssh.service sshd.service 2> /dev/null || true
fi
rm -rf "$root/etc/ssh" "$root/root/.ssh"
for file in "$root/etc/passwd" "$root/etc/shadow"; do
  if [ -e "$file" ]; then sed -i 's/^\([^:]\{1,\}\)::/\1:*:/' "$file"; fi
done

# Nobody becomes root by a program: sudo allows nobody, and no program gives more than it gets.
rm -rf "$root/etc/sudoers.d"
if [ -e "$root/etc/sudoers" ]; then echo 'Defaults env_reset' > "$root/etc/sudoers"; fi
find "$root/" -xdev -type f -perm /6000 -exec chmod ug-s {} +

# Nobody but root writes where root's programs and their settings are.
for place in $places; do
  find "$place" -xdev ! -type l \( $writes \) -exec chown root:root {} + -exec chmod go-w {} +
done

left=$(
  find "$root/" -xdev -type f -perm /6000
  for place in $places; do find "$place" -xdev ! -type l \( $writes \); done
  grep -s '^[^:]*::' "$root/etc/passwd" "$root/etc/shadow" || true
)
if [ -n "$left" ]; then
  echo "ways to root are left: $left" >&2
  exit 1
fi
mkdir -p "$root/run"
: > "$root/run/bulkhead-hardened"
