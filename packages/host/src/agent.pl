# Process 1 of a sandbox: starts programs, carries their bytes, reaps orphans. Core Perl alone.
# Arguments: architecture ("x64" or "arm64"), user mode ("two" or "one" kernel uids), and the limits of each of the user's programs
# where no cgroup sets them: processes, bytes of data (0 for none).
# In mode "one" each sandbox starts it anew, and compiling is half of what that costs: there agentRarely.pl comes before it, as the text
# $rarely, and "use strict" would add 0.7 ms (a test compiles this with -Mstrict). In mode "two" launcher.pl has compiled all of it.

# The host's own programs that are compiled here already, by where they are installed.
our %installed;

my ($arch, $uids, $most_processes, $most_data) = @ARGV;
my ($PRCTL, $CAPSET, $DUP3, $CLOSE, $SETSID, $SETGROUPS, $SETRESGID, $SETRESUID, $EXIT, $STATFS, $PRLIMIT) = $arch eq 'x64'
  ? (157, 126, 292, 3, 112, 116, 119, 117, 231, 137, 302)
  : (167, 91, 24, 57, 157, 159, 149, 147, 94, 43, 261);
my ($PIDFD_OPEN, $CLOSE_RANGE) = (434, 436);

# Frames, from the host and to it.
my ($START, $INPUT, $CLOSE_INPUT, $SIGNAL, $CREDIT, $FILE, $MEASURE) = (1 .. 7);
my ($READY, $STARTED, $START_FAILED, $STDOUT_DATA, $STDERR_DATA, $EXITED, $INPUT_DONE, $MEASURED) = (20 .. 27);
my ($CHUNK, $WINDOW) = (32768, 1 << 20);
my ($EINTR, $EAGAIN) = (4, 11);
my ($FIONREAD, $O_CLOEXEC, $O_NONBLOCK) = (0x541B, 0x80000, 0x800);

# What starting and stopping other users' programs takes, and root's programs to give files away: nobody gets what we have not.
my $caps = $uids eq 'two' ? (1 << 0 | 1 << 5 | 1 << 6 | 1 << 7) : 0;
syscall($PRCTL, 47, 4, 0, 0, 0) == 0 or die "clearing ambient capabilities: $!\n";
capset($caps) or die "capset: $!\n";
syscall($PRCTL, 4, 0, 0, 0, 0) == 0 or die "prctl dumpable: $!\n";

open my $host, '+<&=', 3 or die "no host socket: $!\n";
fcntl $host, 2, 1;
fcntl $host, 4, $O_NONBLOCK;
open my $null, '+<', '/dev/null' or die "/dev/null: $!\n";
$SIG{PIPE} = 'IGNORE';
$SIG{CHLD} = sub { };
umask 022;
%ENV = ();

my (%running, %by_pid, %discarded);
my ($in, $out, $buffer) = ('', '', '');

send_frame($READY, 0, '');
flush_out();
syscall($DUP3, fileno $null, $_, 0) for 0, 1;
loop();

# A sub that is not there is in $rarely. It is compiled alone: who needs one seldom needs another.
our $AUTOLOAD;
sub AUTOLOAD {
  my ($name) = $AUTOLOAD =~ /(\w+)$/;
  my $from = index $rarely, "\nsub $name ";
  die "no such sub: $name\n" if $from < 0;
  my $to = index $rarely, "\nsub ", $from + 1;
  eval substr($rarely, $from, $to < 0 ? length $rarely : $to - $from) . "\n1" or die $@;
  goto &$AUTOLOAD;
}

sub capset {
  my ($set) = @_;
  my $header = pack 'LL', 0x20080522, 0;
  my $data = pack 'L6', $set, $set, 0, 0, 0, 0;
  return syscall($CAPSET, $header, $data) == 0;
}

sub loop {
  while (1) {
    my ($r, $w) = ('', '');
    vec($r, 3, 1) = 1;
    vec($w, 3, 1) = 1 if length $out;
    watch($_, \$r, \$w) for values %running;
    vec($r, $_, 1) = 1 for keys %discarded;
    my $n = select($r, $w, undef, 1);
    ($r, $w) = ('', '') if $n < 0;
    reap();
    read_host() if vec $r, 3, 1;
    serve($_, $r, $w) for values %running;
    discard($_) for grep { vec $r, $_, 1 } keys %discarded;
    flush_out() if length $out;
  }
}

sub watch {
  my ($c, $r, $w) = @_;
  vec($$r, $c->{pidfd}, 1) = 1 if defined $c->{pidfd};
  vec($$r, fileno $c->{report}, 1) = 1 if $c->{report};
  vec($$w, fileno $c->{in}, 1) = 1 if $c->{in} && length $c->{inq};
  return if $c->{report} || $c->{credit} <= 0 || length $out > $WINDOW;
  for (qw(out err)) { vec($$r, fileno $c->{$_}, 1) = 1 if $c->{$_} }
}

sub serve {
  my ($c, $r, $w) = @_;
  read_report($c) if $c->{report} && vec $r, fileno $c->{report}, 1;
  write_input($c) if $c->{in} && length $c->{inq} && vec $w, fileno $c->{in}, 1;
  for my $name (qw(out err)) {
    pump($c, $name) if $c->{$name} && vec $r, fileno $c->{$name}, 1;
  }
  finish($c) if defined $c->{status} && !$c->{report};
}

# The leader is gone: what its pipes hold now is still sent, later output of descendants is read and dropped.
sub finish {
  my ($c) = @_;
  for my $name (qw(out err)) {
    next unless $c->{$name};
    if (!defined $c->{"left_$name"}) {
      my $count = pack 'i', 0;
      ioctl $c->{$name}, $FIONREAD, $count;
      $c->{"left_$name"} = unpack 'i', $count;
    }
    while ($c->{$name} && $c->{"left_$name"} > 0) {
      return if $c->{credit} <= 0 || length $out > $WINDOW;
      last unless pump($c, $name);
    }
    my $handle = delete $c->{$name} or next;
    my $fd = fileno $handle;
    $discarded{$fd} = $handle;
    # Mostly it has come to its end, and need not be watched.
    discard($fd);
  }
  send_frame($EXITED, $c->{id}, pack 'N', $c->{status});
  delete $running{$c->{id}};
  send_frame($INPUT_DONE, $c->{id}, "\1") if length $c->{inq};
}

sub pump {
  my ($c, $name) = @_;
  my $limit = defined $c->{"left_$name"} && $c->{"left_$name"} < $CHUNK ? $c->{"left_$name"} : $CHUNK;
  my $n = sysread $c->{$name}, $buffer, $limit;
  if (!defined $n) { return 0 if $! == $EAGAIN || $! == $EINTR; $n = 0 }
  if (!$n) { delete $c->{$name}; return 0 }
  $c->{credit} -= $n;
  $c->{"left_$name"} -= $n if defined $c->{"left_$name"};
  send_frame($name eq 'out' ? $STDOUT_DATA : $STDERR_DATA, $c->{id}, $buffer);
  return 1;
}

sub discard {
  my ($fd) = @_;
  my $n = sysread $discarded{$fd}, $buffer, $CHUNK;
  delete $discarded{$fd} if defined $n ? !$n : ($! != $EAGAIN && $! != $EINTR);
}

sub read_report {
  my ($c) = @_;
  my $n = sysread $c->{report}, my $message, 4096;
  return if !defined $n && ($! == $EAGAIN || $! == $EINTR);
  delete $c->{report};
  return send_frame($STARTED, $c->{id}, pack 'N', $c->{pid}) unless $n;
  delete $running{$c->{id}};
  send_frame($START_FAILED, $c->{id}, $message);
}

sub reap {
  while ((my $pid = waitpid -1, 1) > 0) {
    my $status = $?;
    my $c = delete $by_pid{$pid} or next;
    $c->{status} = $status;
    syscall($CLOSE, delete $c->{pidfd}) if defined $c->{pidfd};
  }
}

sub read_host {
  my $n = sysread $host, $in, 65536, length $in;
  if (!defined $n) { return if $! == $EAGAIN || $! == $EINTR; exit 0 }
  exit 0 unless $n;
  while (length $in >= 9) {
    my ($size, $type, $id) = unpack 'NCN', $in;
    last if length $in < 9 + $size;
    my $payload = substr $in, 9, $size;
    substr $in, 0, 9 + $size, '';
    receive($type, $id, $payload);
  }
}

sub receive {
  my ($type, $id, $payload) = @_;
  return send_frame($MEASURED, $id, measure($payload)) if $type == $MEASURE;
  return start($id, $type, $payload) if $type == $START || $type == $FILE;
  my $c = $running{$id};
  if (!$c) { return $type == $INPUT ? send_frame($INPUT_DONE, $id, "\1") : undef }
  attend($c, $type, $payload);
}

sub start {
  my ($id, $type, $payload) = @_;
  my ($user, $cwd, $input, $argc, @rest) = split /\0/, $payload, -1;
  my @argv = splice @rest, 0, $argc;
  # All that these need, here and not in the child, so that it is done once.
  if ($type == $FILE && length $rarely) { eval "$rarely; 1" or die $@; $rarely = '' }
  my ($in_r, $in_w);
  if ($input) { pipe $in_r, $in_w or return refuse($id, "pipe: $!") }
  else { $in_r = $null }
  pipe my $out_r, my $out_w or return refuse($id, "pipe: $!");
  pipe my $err_r, my $err_w or return refuse($id, "pipe: $!");
  pipe my $report_r, my $report_w or return refuse($id, "pipe: $!");
  my $pid = fork;
  return refuse($id, "fork: $!") unless defined $pid;
  if (!$pid) {
    $SIG{PIPE} = $SIG{CHLD} = 'DEFAULT';
    syscall($SETSID);
    syscall($DUP3, fileno $in_r, 0, 0);
    syscall($DUP3, fileno $out_w, 1, 0);
    syscall($DUP3, fileno $err_w, 2, 0);
    syscall($DUP3, fileno $report_w, 3, $O_CLOEXEC);
    my $program = $type == $START ? installed_program($user, @argv) : undef;
    # Where Perl goes on, it must think of no number as its file's that is not.
    if ($program) {
      close $_ for grep { $_ } $in_r, $in_w, $out_r, $out_w, $err_r, $err_w, $report_r, $report_w;
      ($null, %running, %by_pid, %discarded) = ();
    }
    syscall($CLOSE_RANGE, 4, 0x7fffffff, 0);
    eval { limit_user() if $user ne 'root'; become($user) };
    leave("internal\0$@") if $@;
    file_operation($user, $cwd, @argv) if $type == $FILE;
    run_installed($program, $argv[3], $cwd, @rest) if $program;
    run_program($cwd, \@argv, @rest);
  }
  my $pidfd = syscall $PIDFD_OPEN, $pid, 0;
  fcntl $_, 4, $O_NONBLOCK for grep { $_ } $in_w, $out_r, $err_r, $report_r;
  my $c = {
    id => $id, pid => $pid, in => $in_w, out => $out_r, err => $err_r, report => $report_r,
    inq => '', credit => $WINDOW, $pidfd >= 0 ? (pidfd => $pidfd) : ()
  };
  $running{$id} = $by_pid{$pid} = $c;
}

# What the user runs gives up its memory before we do. To say so a process must be allowed to write to its own /proc entry.
sub limit_user {
  syscall($PRCTL, 4, 1, 0, 0, 0);
  if (open my $file, '>', '/proc/self/oom_score_adj') { syswrite $file, 100 }
  syscall($PRCTL, 4, 0, 0, 0, 0);
  limit(6, $most_processes) if $most_processes;
  limit(2, $most_data) if $most_data;
}

sub become {
  my ($user) = @_;
  return if $uids ne 'two';
  my $id = $user eq 'root' ? 0 : 1000;
  my $groups = pack 'L', $id;
  syscall($SETGROUPS, 1, $groups) == 0 or die "setgroups: $!";
  syscall($SETRESGID, $id, $id, $id) == 0 or die "setresgid: $!";
  syscall($SETRESUID, $id, $id, $id) == 0 or die "setresuid: $!";
  if ($id) { capset(0) or die "capset: $!" }
}

# What a command line asks for, where it is compiled here already and takes no shell to start. Not for the user, whose programs could read
# the memory of one that runs as they do, and with it ours.
sub installed_program {
  my ($user, @argv) = @_;
  return $user eq 'root' && "@argv" =~ m{^/bin/bash -l -c exec (/\S+)$} ? $installed{$1} : undef;
}

# As if it had just been started.
sub run_installed {
  my ($program, $line, $cwd, @env) = @_;
  enter($cwd, @env);
  $0 = substr $line, length 'exec ';
  @ARGV = ();
  # Its number is the report's now: this says that the program has started.
  close $host;
  eval { $program->(); 1 } and exit 0;
  print STDERR $@;
  exit 255;
}

sub enter {
  my ($cwd, @env) = @_;
  chdir $cwd or leave($! == 2 || $! == 20 ? "invalid_argument\0cwd '$cwd' does not exist" : "permission_denied\0cwd '$cwd': $!");
  %ENV = map { split /=/, $_, 2 } @env;
}

sub run_program {
  my ($cwd, $argv, @env) = @_;
  enter($cwd, @env);
  exec { $argv->[0] } @$argv;
  leave(($! == 2 ? 'not_found' : $! == 13 ? 'permission_denied' : 'internal') . "\0$argv->[0]: $!");
}

sub send_frame {
  my ($type, $id, $payload) = @_;
  $out .= pack('NCN', length $payload, $type, $id) . $payload;
}

sub flush_out {
  while (length $out) {
    my $n = syswrite $host, $out, 262144;
    if (!defined $n) { next if $! == $EINTR; return if $! == $EAGAIN; exit 0 }
    substr $out, 0, $n, '';
  }
}
