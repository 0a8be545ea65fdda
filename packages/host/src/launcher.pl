# Starts every sandbox of one host and proves its death. A small process forks far more cheaply than the host, can join
# a cgroup between fork and exec, and takes all sandboxes with it when it dies. Core Perl alone.
# Arguments: architecture, user mode ("two" or "one"), agent socket, run directory, bwrap, its arguments, of which EVIDENCE
# stands for the sandbox's cgroups. In the run directory, "plan" tells what sandboxes are limited by and see (LaunchPlan.ts).
use strict;

my ($arch, $uids, $socket_path, $run, $bwrap, @arguments) = @ARGV;
# Two uids a slot, 2,048 slots a launcher, in a range above systemd-nspawn's that nothing else uses.
my $base = 0x70000000 + ($$ % 65536) * 4096;
my $x64 = $arch eq 'x64';
my %nr = (
  prctl     => $x64 ? 157 : 167,
  dup3      => $x64 ? 292 : 24,
  unshare   => $x64 ? 272 : 97,
  setgroups => $x64 ? 116 : 159,
  setresgid => $x64 ? 119 : 149,
  setresuid => $x64 ? 117 : 147,
  prlimit   => $x64 ? 302 : 261,
  exit      => $x64 ? 231 : 94,
  close     => $x64 ? 3   : 57,
  mount     => $x64 ? 165 : 40,
  mknodat   => $x64 ? 259 : 33,
  pidfd_send_signal => 424, pidfd_open => 434, close_range => 436
);
sub SPAWN () { 1 } sub KILL () { 2 }
sub READY () { 20 } sub DIED () { 21 }
sub EINTR () { 4 } sub EAGAIN () { 11 } sub EBUSY () { 16 }
sub RDONLY () { 1 } sub NOSUID () { 2 } sub NODEV () { 4 } sub NOEXEC () { 8 } sub REMOUNT () { 32 } sub NOATIME () { 1024 }
sub BIND () { 4096 } sub RECURSIVE () { 16384 } sub SLAVE () { 1 << 19 } sub RELATIME () { 1 << 21 }
# In pieces of 10 ms.
sub REMOVAL_TRIES () { 500 }

my $parent = getppid;
syscall($nr{prctl}, 36, 1, 0, 0, 0) == 0 or die "prctl: $!\n";
exit 0 if getppid != $parent;
core_limit_zero();
umask 022;
%ENV = ();
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = sub { };
fcntl STDIN, 4, 0x800;

my (%sandboxes, %by_outer, %by_inner, %userns, %removals);
my ($in, $out) = ('', '');
my $address = pack 'S a*', 1, "$socket_path\0";

my %plan = (cgroup => [], disk => []);
for (split /\n/, read_file("$run/plan")) { my ($what, @words) = split /\t/, $_, -1; push @{ $plan{$what} }, \@words }
my $root = "$run/root";
make_root() if @{ $plan{disk} };

send_frame(READY, 0, '');
loop();

sub core_limit_zero {
  my $limit = pack 'QQ', 0, 0;
  syscall($nr{prlimit}, 0, 4, $limit, 0) == 0 or die "prlimit: $!\n";
}

sub loop {
  while (1) {
    my ($r, $w) = ('', '');
    vec($r, 0, 1) = 1;
    vec($w, 1, 1) = 1 if length $out;
    for my $s (values %sandboxes) {
      vec($r, $s->{pidfd}, 1) = 1 if defined $s->{pidfd};
      vec($r, fileno $s->{info}, 1) = 1 if $s->{info} && !$s->{inner};
      vec($r, fileno $s->{errors}, 1) = 1 if $s->{errors};
    }
    my $n = select($r, $w, undef, %removals ? 0.01 : 1);
    ($r, $w) = ('', '') if $n < 0;
    read_info($_) for grep { $_->{info} && vec $r, fileno $_->{info}, 1 } values %sandboxes;
    read_errors($_) for grep { $_->{errors} && vec $r, fileno $_->{errors}, 1 } values %sandboxes;
    reap();
    remove_cgroups($_) for values %removals;
    read_host() if vec $r, 0, 1;
    flush_out() if length $out;
  }
}

sub read_host {
  my $n = sysread STDIN, $in, 65536, length $in;
  if (!defined $n) { return if $! == EAGAIN || $! == EINTR; follow_host() }
  follow_host() unless $n;
  while (length $in >= 9) {
    my ($size, $type, $id) = unpack 'NCN', $in;
    last if length $in < 9 + $size;
    my $payload = substr $in, 9, $size;
    substr $in, 0, 9 + $size, '';
    if ($type == SPAWN) {
      eval { spawn($id, unpack 'N', $payload) };
      if ($@) { delete $sandboxes{$id}; remove_cgroups({ id => $id, text => "$@" }) }
    }
    if ($type == KILL && $sandboxes{$id}) { $sandboxes{$id}{doomed} = 1; strike($sandboxes{$id}) }
  }
}

# The host is gone, however it ended. A bwrap that is still setting up has not asked to die with us, and one of its two processes waits
# for the other for ever; whoever loses its parent becomes our child, so we end children until there are none.
sub follow_host {
  my $until = time + 10;
  while (time < $until) {
    kill 'KILL', keys %by_outer, split / /, eval { read_file("/proc/$$/task/$$/children") } // '';
    my $pid;
    1 while ($pid = waitpid -1, 1) > 0;
    last if $pid < 0;
    select undef, undef, undef, 0.01;
  }
  syscall($nr{exit}, 0);
}

# Process 1 of the namespace is the one to strike: with it the kernel ends all the others. The outer bwrap dies of it.
sub strike {
  my ($s) = @_;
  syscall($nr{pidfd_send_signal}, $s->{inner_pidfd}, 9, 0, 0) if defined $s->{inner_pidfd};
}

sub spawn {
  my ($id, $slot) = @_;
  my $uid = $base + 2 * $slot;
  my $ns = $uids eq 'two' ? ($userns{$slot} ||= make_userns($uid)) : undef;
  socket my $agent, 1, 1, 0 or die "socket: $!\n";
  connect $agent, $address or die "connecting to the host: $!\n";
  syswrite($agent, pack 'N', $id) == 4 or die "greeting the host: $!\n";
  pipe my $info_r, my $info_w or die "pipe: $!\n";
  pipe my $errors_r, my $errors_w or die "pipe: $!\n";
  make_cgroups($id);
  my $pid = fork;
  defined $pid or die "fork: $!\n";
  if (!$pid) {
    $SIG{PIPE} = $SIG{CHLD} = 'DEFAULT';
    eval { confine($id, $uid); become_bwrap($id, $uid, $ns, $agent, $info_w, $errors_w) };
    syswrite $errors_w, "$@";
    syscall($nr{exit}, 127);
  }
  my $pidfd = syscall $nr{pidfd_open}, $pid, 0;
  my $s = { id => $id, outer => $pid, info => $info_r, errors => $errors_r, text => '', told => '' };
  $s->{pidfd} = $pidfd if $pidfd >= 0;
  fcntl $_, 4, 0x800 for $info_r, $errors_r;
  $sandboxes{$id} = $by_outer{$pid} = $s;
}

sub make_cgroups {
  my ($id) = @_;
  for my $cgroup (@{ $plan{cgroup} }) {
    my ($parent, undef, undef, @settings) = @$cgroup;
    mkdir "$parent/$id" or die "cgroup $parent/$id: $!\n";
    for (@settings) { my ($file, $value) = split /=/; write_file("$parent/$id/$file", $value) }
  }
}

# The last thing said of a sandbox. Its processes are dead, but the kernel may need an instant more to let go of their cgroups.
sub remove_cgroups {
  my ($s) = @_;
  my $busy = grep { !rmdir "$_->[0]/$s->{id}" and $! == EBUSY } @{ $plan{cgroup} };
  return $removals{$s->{id}} = $s if $busy && $s->{removal_tries}++ < REMOVAL_TRIES;
  delete $removals{$s->{id}};
  send_frame(DIED, $s->{id}, $s->{text});
}

# Before anything of the sandbox runs, so that nothing of it is ever outside. The agent is the last that memory is taken from.
sub confine {
  my ($id, $uid) = @_;
  write_file("$_->[0]/$id/$_->[1]", 0) for @{ $plan{cgroup} };
  eval { write_file('/proc/self/oom_score_adj', -500) };
  make_writable($id, $uid) if @{ $plan{disk} };
}

# The root of all sandboxes, without what is each one's own, mounted where nobody else sees it and no death can leave it.
sub make_root {
  syscall($nr{unshare}, 0x20000) == 0 or die "mount namespace: $!\n";
  mount_on('none', '/', 'none', RECURSIVE | SLAVE, '');
  mkdir $root;
  mount_on('tmpfs', $root, 'tmpfs', NOSUID, 'mode=0755,size=1m');
  for (@{ $plan{directory} }) { my ($mode, $place) = @$_; mkdir "$root$place"; chmod oct $mode, "$root$place" }
  for (@{ $plan{link} }) { symlink $_->[0], "$root$_->[1]" or die "link $_->[1]: $!\n" }
  for (@{ $plan{device} }) { make_device(@$_) }
  for (@{ $plan{bind} }) { bind_read_only($_->[0], "$root$_->[1]") }
  mount_on('none', $root, 'none', REMOUNT | BIND | RDONLY | NOSUID | RELATIME, '');
}

# Where no device may be made, as in a container's user namespace, the machine's own is shown.
sub make_device {
  my ($name, $major, $minor) = @_;
  my $place = "$root/dev/$name";
  return chmod 0666, $place if syscall($nr{mknodat}, -100, $place, 0020666, $major << 8 | $minor) == 0;
  open my $file, '>', $place or die "$place: $!\n";
  mount_on("/dev/$name", $place, 'none', BIND, '');
}

sub bind_read_only {
  my ($source, $place) = @_;
  mount_on($source, $place, 'none', BIND | RECURSIVE, '');
  for (split /\n/, read_file('/proc/self/mountinfo')) {
    my ($at, $options) = (split / /)[4, 5];
    $at =~ s/\\(\d{3})/chr oct $1/ge;
    next if $at ne $place && index($at, "$place/");
    my $kept = ($options =~ /noexec/ ? NOEXEC : 0) | ($options =~ /noatime/ ? NOATIME : RELATIME);
    mount_on('none', $at, 'none', REMOUNT | BIND | RDONLY | NOSUID | NODEV | $kept, '');
  }
}

# One file system, so one budget, for all that a sandbox may write; and its cgroups for it to read. In a namespace of its own.
sub make_writable {
  my ($id, $uid) = @_;
  my $disk = "$run/disk";
  syscall($nr{unshare}, 0x20000) == 0 or die "mount namespace: $!\n";
  mount_on('tmpfs', $disk, 'tmpfs', NOSUID | NODEV, "mode=0755,uid=$uid,gid=$uid,$plan{disk}[0][0]");
  my %directory = (home => 0755, 'home/user' => 0755, 'home/root' => 0700, tmp => 01777, shm => 01777);
  for (sort keys %directory) {
    my $owner = $_ eq 'home/user' ? $uid + 1 : $uid;
    mkdir "$disk/$_" and chmod $directory{$_}, "$disk/$_" and chown $owner, $owner, "$disk/$_" or die "$disk/$_: $!\n";
  }
  mount_on("$disk/home", "$root/home", 'none', BIND, '');
  mount_on("$disk/tmp", "$root/tmp", 'none', BIND, '');
  mount_on("$disk/shm", "$root/dev/shm", 'none', BIND, '');
  mount_on('devpts', "$root/dev/pts", 'devpts', NOSUID | NOEXEC, 'newinstance,ptmxmode=0666,mode=620');
  for (grep { $_->[2] } @{ $plan{cgroup} }) {
    mount_on("$_->[0]/$id", "$root$_->[2]", 'none', BIND, '');
    mount_on('none', "$root$_->[2]", 'none', REMOUNT | BIND | RDONLY | NOSUID | NODEV | NOEXEC | RELATIME, '');
  }
}

sub mount_on {
  my ($source, $place, $type, $flags, $data) = @_;
  syscall($nr{mount}, $source, $place, $type, $flags, $data) == 0 or die "mount $source on $place: $!\n";
}

sub become_bwrap {
  my ($id, $uid, $ns, $agent, $info, $errors) = @_;
  open my $script, '<', "$run/agent.pl" or die "agent: $!\n";
  open my $null, '>', '/dev/null' or die "/dev/null: $!\n";
  open my $seccomp, '<', "$run/seccomp.bpf" or die "seccomp filter: $!\n";
  my @places = ($script, $null, $errors, $agent, $info, $seccomp, $ns ? $ns : ());
  my @high = map { my $fd = fcntl $_, 0, 200; defined $fd ? $fd : die "dup: $!\n" } @places;
  for my $fd (0 .. $#high) { syscall($nr{dup3}, $high[$fd], $fd, 0) >= 0 or die "dup3: $!\n" }
  syscall($nr{close_range}, scalar @high, 0x7fffffff, 0);
  switch_to($uid) if $uids eq 'two';
  syscall($nr{prctl}, 1, 9, 0, 0, 0);
  my @evidence = map { ('--ro-bind', "$_->[0]/$id", $_->[2]) } grep { $_->[2] } @{ $plan{cgroup} };
  exec { $bwrap } 'bwrap', $ns ? ('--userns', 6) : ('--unshare-user', '--uid', 1000, '--gid', 1000),
    map { $_ eq 'EVIDENCE' ? @evidence : $_ } @arguments;
  die "$bwrap: $!\n";
}

sub switch_to {
  my ($uid) = @_;
  my $groups = pack 'L', $uid;
  syscall($nr{setgroups}, 1, $groups) == 0 or die "setgroups: $!\n";
  syscall($nr{setresgid}, $uid, $uid, $uid) == 0 or die "setresgid $uid: $!\n";
  syscall($nr{setresuid}, $uid, $uid, $uid) == 0 or die "setresuid $uid: $!\n";
}

# A user namespace of two ids, made by the first of them so that bwrap, running as that id, owns it.
sub make_userns {
  my ($uid) = @_;
  pipe my $said, my $say or die "pipe: $!\n";
  pipe my $wait, my $go or die "pipe: $!\n";
  my $pid = fork;
  defined $pid or die "fork: $!\n";
  if (!$pid) {
    close $go;
    eval { switch_to($uid); syscall($nr{unshare}, 0x10000000) == 0 or die "unshare: $!\n" };
    syswrite $say, $@ eq '' ? 'ok' : "$@";
    sysread $wait, my $byte, 1;
    syscall($nr{exit}, 0);
  }
  close $say;
  close $wait;
  my ($n, $answer);
  do { $n = sysread $said, $answer, 256 } while !defined $n && $! == EINTR;
  my $ns = eval {
    $answer eq 'ok' or die "user namespace: $answer";
    my $map = "0 $uid 1\n1000 " . ($uid + 1) . " 1\n";
    write_file("/proc/$pid/uid_map", $map);
    write_file("/proc/$pid/gid_map", $map);
    open my $handle, '<', "/proc/$pid/ns/user" or die "user namespace: $!\n";
    $handle;
  };
  my $why = $@;
  close $go;
  waitpid $pid, 0;
  return $ns || die $why;
}

sub write_file {
  my ($path, $text) = @_;
  open my $file, '>', $path or die "$path: $!\n";
  # A child that ends meanwhile may interrupt it.
  until (defined syswrite $file, $text) { $! == EINTR or die "$path: $!\n" }
}

sub read_file {
  my ($path) = @_;
  open my $file, '<', $path or die "$path: $!\n";
  local $/;
  return scalar <$file>;
}

# Kept open, since bwrap would die of writing to a pipe that is closed; but what comes after the process id wakes nobody.
sub read_info {
  my ($s) = @_;
  my $n = sysread $s->{info}, $s->{told}, 4096, length $s->{told};
  return if !defined $n && ($! == EAGAIN || $! == EINTR);
  delete $s->{info} unless $n;
  return if $s->{inner} || $s->{told} !~ /"child-pid": (\d+),/;
  $by_inner{$s->{inner} = $1 + 0} = $s;
  my $pidfd = syscall $nr{pidfd_open}, $s->{inner}, 0;
  $s->{inner_pidfd} = $pidfd if $pidfd >= 0;
  strike($s) if $s->{doomed};
}

sub read_errors {
  my ($s) = @_;
  my $n = sysread $s->{errors}, my $text, 4096;
  return if !defined $n && ($! == EAGAIN || $! == EINTR);
  delete $s->{errors} unless $n;
  $s->{text} .= $text if $n && length $s->{text} < 4096;
}

# Gone means both: the outer bwrap, and process 1 of the namespace, which the outer reaps or, failing it, we inherit.
sub reap {
  while ((my $pid = waitpid -1, 1) > 0) {
    my $s;
    if ($s = delete $by_outer{$pid}) {
      $s->{outer_dead} = 1;
      read_info($s) if $s->{info};
      syscall($nr{close}, delete $s->{pidfd}) if defined $s->{pidfd};
    }
    elsif ($s = $by_inner{$pid}) { $s->{inner_dead} = 1 }
    settle($s) if $s && $s->{outer_dead};
  }
}

sub settle {
  my ($s) = @_;
  if ($s->{inner} && !$s->{inner_dead}) {
    my $answer = waitpid $s->{inner}, 1;
    return strike($s) if $answer == 0;
  }
  read_errors($s) if $s->{errors};
  delete $by_inner{$s->{inner}} if $s->{inner};
  syscall($nr{close}, $s->{inner_pidfd}) if defined $s->{inner_pidfd};
  delete $sandboxes{$s->{id}};
  remove_cgroups($s);
}

sub send_frame {
  my ($type, $id, $payload) = @_;
  $out .= pack('NCN', length $payload, $type, $id) . $payload;
  flush_out();
}

sub flush_out {
  while (length $out) {
    my $n = syswrite STDOUT, $out;
    if (!defined $n) { next if $! == EINTR; return if $! == EAGAIN; follow_host() }
    substr $out, 0, $n, '';
  }
}
