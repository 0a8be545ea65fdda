# What each sandbox is walled in by: cgroups, file systems, users, namespaces, and what its first processes give up. Behind launcher.pl,
# whose names it uses.
#
# In mode "two" a forked child confines itself and splits in two. Its own child is process 1 of the sandbox and mounts its /proc; then both
# become the sandbox's root, and the first becomes bwrap. Process 1 takes hold of the namespaces that bwrap makes, waits until bwrap is
# through and the launcher lets it in, joins them, gives up its privileges and all that it has open, and is the agent.

# The root of all sandboxes, without what is each one's own, mounted where nobody else sees it and no death can leave it.
sub make_root {
  syscall($nr{unshare}, 0x20000) == 0 or die "mount namespace: $!\n";
  mount_on('none', '/', 'none', RECURSIVE | SLAVE, '');
  mkdir $root;
  mount_on('tmpfs', $root, 'tmpfs', NOSUID, 'mode=0755,size=4m');
  for (@{ $plan{directory} }) { my ($mode, $place) = @$_; mkdir "$root$place"; chmod oct $mode, "$root$place" }
  for (@{ $plan{link} }) { symlink $_->[0], "$root$_->[1]" or die "link $_->[1]: $!\n" }
  for (@{ $plan{device} }) { make_device(@$_) }
  for (@{ $plan{program} }) { write_file("$root$_->[1]", read_file($_->[0])); chmod 0755, "$root$_->[1]" }
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

sub make_cgroups {
  my ($id) = @_;
  for my $cgroup (@{ $plan{cgroup} }) {
    my ($parent, undef, undef, @settings) = @$cgroup;
    mkdir "$parent/$id" or die "cgroup $parent/$id: $!\n";
    for (@settings) { my ($file, $value) = split /=/; write_file("$parent/$id/$file", $value) }
  }
}

# Before anything of the sandbox runs, so that nothing of it is ever outside. The agent is the last that memory is taken from.
sub confine {
  my ($id, $uid) = @_;
  write_file("$_->[0]/$id/$_->[1]", 0) for @{ $plan{cgroup} };
  eval { write_file('/proc/self/oom_score_adj', -500) };
  make_writable($id, $uid) if $uids eq 'two';
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

# In mode "two": a child that is process 1 of its own namespace, and a parent that becomes bwrap and builds the walls of it.
sub split_in_two {
  my ($ns, $agent, $info, $errors, $enter) = @_;
  pipe my $facts_r, my $facts_w or die "pipe: $!\n";
  pipe my $go_r, my $go_w or die "pipe: $!\n";
  syscall($nr{unshare}, 0x20000000) == 0 or die "process namespace: $!\n";
  my $pid = fork;
  defined $pid or die "fork: $!\n";
  if (!$pid) {
    close $_ for $info, $facts_w, $go_r;
    eval { become_agent($ns, $agent, $errors, $facts_r, $go_w, $enter) };
    syswrite $errors, "$@";
    syscall($nr{exit}, 127);
  }
  syswrite $info, qq("child-pid": $pid,);
  close $go_w;
  # Nothing comes where the child has failed, and said why.
  sysread $go_r, my $byte, 1 or syscall $nr{exit}, 1;
  become_guest_root($ns);
  my @places = raised(null(), null(), $errors, $go_r, $facts_w);
  lay_out(@places);
  become_bwrap(@arguments);
}

# Nothing of the sandbox has run yet, and nothing of it runs until this process has given up all that it holds of ours.
sub become_agent {
  my ($ns, $agent, $errors, $facts, $go, $enter) = @_;
  # Closed in Perl too: it would never close a later file with the number of one that it thinks is open.
  (%sandboxes, %by_outer, %by_inner, %removals, %userns) = ();
  mount_on('proc', "$root/proc", 'proc', NOSUID | NODEV | NOEXEC, '');
  become_guest_root($ns);
  # To our parent: now bwrap may begin.
  syswrite $go, '1';
  my ($told, $builder) = '';
  until (($builder) = $told =~ /"child-pid": (\d+),/) { sysread $facts, $told, 4096, length $told or die "bwrap built no walls\n" }
  # Held, they outlive whoever has built them.
  my @namespaces = map { open my $handle, '<', "/proc/$builder/ns/$_" or die "$_ namespace: $!\n"; $handle } qw(net ipc uts cgroup mnt);
  # To bwrap, which waits for it with the walls built: now it may end.
  syswrite $go, '1';
  # Nothing comes where bwrap has failed, or whoever was to tell us is gone.
  sysread $enter, my $byte, 1 or syscall $nr{exit}, 1;
  my @places = raised(null(), null(), $errors, $agent);
  join_namespace($_) for @namespaces;
  syscall($nr{setsid});
  die_with_parent();
  # Too late, if it has died meanwhile. The end of a pipe would not tell: sandboxes that begin now have copies of it.
  vec(my $gone = '', $launcher_pidfd, 1) = 1;
  syscall $nr{exit}, 1 if select $gone, undef, undef, 0;
  give_up_privileges();
  # Perl must not think of these numbers as its files' any more.
  close $_ for @namespaces, $ns, $agent, $errors, $facts, $go, $enter;
  lay_out(@places);
  $0 = 'agent';
  @ARGV = ($arch, $uids, @{ $plan{limits}[0] });
  eval { Agent::run() };
  syswrite STDERR, $@;
  syscall($nr{exit}, 127);
}

# What bwrap makes a process give up that it starts. The capabilities left are the agent's.
sub give_up_privileges {
  my %kept = map { $_ => 1 } CAP_CHOWN, CAP_KILL, CAP_SETGID, CAP_SETUID;
  for my $cap (0 .. 63) {
    next if $kept{$cap} || syscall($nr{prctl}, 24, $cap, 0, 0, 0) == 0;
    # The kernel knows no more.
    last if $! == EINVAL;
    die "bounding capability $cap: $!\n";
  }
  syscall($nr{prctl}, 38, 1, 0, 0, 0) == 0 or die "no new privileges: $!\n";
  my $program = pack 'S x6 P', length($filter) / 8, $filter;
  syscall($nr{prctl}, 22, 2, $program, 0, 0) == 0 or die "seccomp filter: $!\n";
}

# In mode "one": bwrap makes the user namespace too, and its process 1 is the agent.
sub become_bwrap_with_agent {
  my ($id, $agent, $info, $errors) = @_;
  open my $script, '<', "$run/agent.pl" or die "agent: $!\n";
  open my $seccomp, '<', "$run/seccomp.bpf" or die "seccomp filter: $!\n";
  my @places = raised($script, null(), $errors, $agent, $info, $seccomp);
  lay_out(@places);
  my @evidence = map { ('--ro-bind', "$_->[0]/$id", $_->[2]) } grep { $_->[2] } @{ $plan{cgroup} };
  become_bwrap(map { $_ eq 'EVIDENCE' ? @evidence : $_ } @arguments);
}

sub become_bwrap {
  die_with_parent();
  exec { $bwrap } 'bwrap', @_;
  syswrite STDERR, "$bwrap: $!\n";
  syscall($nr{exit}, 127);
}

sub null { open my $null, '+>', '/dev/null' or die "/dev/null: $!\n"; return $null }

# Copies of these, out of the way of each other.
sub raised { map { my $fd = fcntl $_, 0, 200; defined $fd ? $fd : die "dup: $!\n" } @_ }

# These as the descriptors from 0 on, and no others.
sub lay_out {
  for my $fd (0 .. $#_) { syscall($nr{dup3}, $_[$fd], $fd, 0) >= 0 or die "dup3: $!\n" }
  syscall($nr{close_range}, scalar @_, 0x7fffffff, 0);
}

# Whoever has become somebody else must ask for it again.
sub die_with_parent { syscall($nr{prctl}, 1, 9, 0, 0, 0) }

sub become_guest_root {
  my ($ns) = @_;
  join_namespace($ns);
  switch_to(0);
}

sub join_namespace {
  my ($handle) = @_;
  syscall($nr{setns}, fileno $handle, 0) == 0 or die "joining a namespace: $!\n";
}

sub switch_to {
  my ($uid) = @_;
  my $groups = pack 'L', $uid;
  syscall($nr{setgroups}, 1, $groups) == 0 or die "setgroups: $!\n";
  syscall($nr{setresgid}, $uid, $uid, $uid) == 0 or die "setresgid $uid: $!\n";
  syscall($nr{setresuid}, $uid, $uid, $uid) == 0 or die "setresuid $uid: $!\n";
}

# A user namespace of two ids, which the first of them owns.
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
