# Starts every sandbox of one host and proves its death. A small process forks far more cheaply than the host, can join
# a cgroup between fork and exec, and takes all sandboxes with it when it dies. Core Perl alone; launcherWalls.pl follows it.
# Arguments: architecture, user mode, agent socket, run directory, bwrap, its arguments, of which EVIDENCE stands for the sandbox's
# cgroups. In the run directory, "plan" tells what sandboxes are limited by and see (LaunchPlan.ts).
# In mode "two", as root, process 1 of a sandbox is forked from here with the agent compiled in it, which saves starting Perl, and bwrap
# builds walls for it. In mode "one", where no walls can be entered from outside, bwrap starts the agent behind them.

# Perl text as the sub "run" of a package; above all of our variables, so that it sees none of them.
sub compile { eval "package $_[0]; sub run {\n$_[1]\n}\n1" or die "$_[0]: $@" }

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
  setns     => $x64 ? 308 : 268,
  setsid    => $x64 ? 112 : 157,
  pidfd_send_signal => 424, pidfd_open => 434, close_range => 436
);
sub SPAWN () { 1 } sub KILL () { 2 }
sub READY () { 20 } sub DIED () { 21 }
sub EINTR () { 4 } sub EAGAIN () { 11 } sub EBUSY () { 16 } sub EINVAL () { 22 }
sub RDONLY () { 1 } sub NOSUID () { 2 } sub NODEV () { 4 } sub NOEXEC () { 8 } sub REMOUNT () { 32 } sub NOATIME () { 1024 }
sub CAP_CHOWN () { 0 } sub CAP_KILL () { 5 } sub CAP_SETGID () { 6 } sub CAP_SETUID () { 7 }
sub BIND () { 4096 } sub RECURSIVE () { 16384 } sub SLAVE () { 1 << 19 } sub RELATIME () { 1 << 21 }
# Seconds.
sub REMOVAL_LIMIT () { 5 }

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
# For our children: readable once we are dead.
my $launcher_pidfd = syscall $nr{pidfd_open}, $$, 0;
my $address = pack 'S a*', 1, "$socket_path\0";

my %plan = (cgroup => [], program => []);
for (split /\n/, read_file("$run/plan")) { my ($what, @words) = split /\t/, $_, -1; push @{ $plan{$what} }, \@words }
my $root = "$run/root";
my $filter = read_file("$run/seccomp.bpf");
if ($uids eq 'two') { make_root(); compile_programs() }

send_frame(READY, 0, '');
loop();

# The agent, and what is installed in every sandbox.
sub compile_programs {
  compile('Agent', read_file("$run/agent.pl"));
  for (0 .. $#{ $plan{program} }) {
    my ($file, $place) = @{ $plan{program}[$_] };
    compile("Installed$_", read_file($file));
    $Agent::installed{$place} = "Installed$_"->can('run');
  }
}

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
      vec($r, $s->{inner_pidfd}, 1) = 1 if $s->{outer_dead} && defined $s->{inner_pidfd};
      vec($r, fileno $s->{info}, 1) = 1 if $s->{info} && !$s->{inner};
      # What bwrap says while it builds the walls is read once, at its end.
      vec($r, fileno $s->{errors}, 1) = 1 if $s->{errors} && ($s->{outer_dead} || !$s->{enter});
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

# Process 1 of the namespace is the one to strike: with it the kernel ends all the others. A bwrap that waits for it dies of it.
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
  pipe my $enter_r, my $enter_w or die "pipe: $!\n";
  make_cgroups($id);
  my $pid = fork;
  defined $pid or die "fork: $!\n";
  if (!$pid) {
    $SIG{PIPE} = $SIG{CHLD} = 'DEFAULT';
    close $_ for $info_r, $errors_r, $enter_w;
    eval {
      confine($id, $uid);
      $ns ? split_in_two($ns, $agent, $info_w, $errors_w, $enter_r) : become_bwrap_with_agent($id, $agent, $info_w, $errors_w);
    };
    syswrite $errors_w, "$@";
    syscall($nr{exit}, 127);
  }
  my $pidfd = syscall $nr{pidfd_open}, $pid, 0;
  my $s = { id => $id, info => $info_r, errors => $errors_r, text => '', told => '', $ns ? (enter => $enter_w) : () };
  $s->{pidfd} = $pidfd if $pidfd >= 0;
  fcntl $_, 4, 0x800 for $info_r, $errors_r;
  $sandboxes{$id} = $by_outer{$pid} = $s;
}

# The last thing said of a sandbox. Its processes are dead, but the kernel may need an instant more to let go of their cgroups.
sub remove_cgroups {
  my ($s) = @_;
  my $busy = grep { !rmdir "$_->[0]/$s->{id}" and $! == EBUSY } @{ $plan{cgroup} };
  $s->{removed_by} //= time + REMOVAL_LIMIT;
  return $removals{$s->{id}} = $s if $busy && time < $s->{removed_by};
  delete $removals{$s->{id}};
  send_frame(DIED, $s->{id}, $s->{text});
}

sub write_file {
  my ($path, $text) = @_;
  open my $file, '>', $path or die "$path: $!\n";
  # A child that ends meanwhile may interrupt it.
  my $written;
  until (defined($written = syswrite $file, $text)) { $! == EINTR or die "$path: $!\n" }
  $written == length $text or die "$path: no room for all of it\n";
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

# Gone means both: the outer bwrap, and process 1 of the namespace, which bwrap reaps in mode "one" and we inherit in mode "two".
sub reap {
  while ((my $pid = waitpid -1, 1) > 0) {
    my $s;
    if ($s = delete $by_outer{$pid}) {
      $s->{outer_dead} = 1;
      read_info($s) if $s->{info};
      syscall($nr{close}, delete $s->{pidfd}) if defined $s->{pidfd};
      next if let_in($s);
    }
    elsif ($s = $by_inner{$pid}) { $s->{inner_dead} = 1 }
    settle($s) if $s && $s->{outer_dead};
  }
}

# In mode "two", process 1, which is our child now, may go behind the walls once they stand: bwrap says so by failing to run "/" there. To
# start a program that only ends would be a sixth of what bwrap costs.
sub let_in {
  my ($s) = @_;
  my $enter = delete $s->{enter} or return 0;
  read_errors($s) if $s->{errors};
  return $s->{text} =~ s{^(?:bwrap: )?execvp /: .*\n\z}{} && waitpid($s->{inner}, 1) == 0 && syswrite $enter, '1';
}

sub settle {
  my ($s) = @_;
  if ($s->{inner} && !$s->{inner_dead}) {
    if (waitpid($s->{inner}, 1) == 0) { kill 'KILL', $s->{inner}; return }
  }
  read_errors($s) if $s->{errors};
  delete $by_inner{$s->{inner}} if $s->{inner};
  syscall($nr{close}, $s->{inner_pidfd}) if defined $s->{inner_pidfd};
  delete $sandboxes{$s->{id}};
  delete @$s{qw(enter info errors)};
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
