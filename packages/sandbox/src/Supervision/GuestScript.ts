import { hash } from "node:crypto"

/**
 * The supervisor that runs inside the sandbox: Perl, because every Debian-based image has it and it starts in milliseconds; core
 * functions and raw system calls alone, because each module would double that, and even "use strict" costs 0.6 ms (a test compiles it
 * strictly instead).
 *
 * It runs as root where the sandbox has a root, and the program as the sandbox's user, so that the program cannot touch it. It goes on
 * when nobody listens any more. What it has to say it writes on its own stderr, in lines that begin with a nonce which the program
 * cannot know: one before the program runs, and a report when all is over.
 */
const always = String.raw`
$SIG{$_} = 'IGNORE' for qw(PIPE TERM INT HUP);

my %given;
$given{$_} = delete $ENV{$_} for grep { /^BULKHEAD_/ } keys %ENV;
my ($nonce, $command, $file) = @given{qw(BULKHEAD_NONCE BULKHEAD_COMMAND BULKHEAD_FILE)};
my ($timeout, $grace, $cpu_limit, $memory_limit, $process_limit, $file_limit, $keep, $output_limit, $cpu_percent) =
  split / /, $given{BULKHEAD_LIMITS};
my $user = $< ? $ENV{USER} : 'user';
my ($uid, $gid, $home) = $< ? ($<, $( + 0, $ENV{HOME}) : slurp('/etc/passwd') =~ /^user:[^:]*:(\d+):(\d+):[^:]*:([^:]*)/m;
# Without a user to become, the program would run as root, and what we send to all of the user's processes would reach everyone's.
die "the sandbox has no user of its own\n" if !$< && !$uid;

# The machine field of our own ELF header tells whose system call numbers to use.
open my $self, '<:raw', '/proc/self/exe' or die;
read $self, my $elf, 20;
my ($PRCTL, $SETSID, $PRLIMIT, $GETRUSAGE, $STATFS, $CLOCK, $EXIT) = @{
  { 0x3e => [157, 112, 302, 98, 137, 228, 231], 0xb7 => [167, 157, 261, 165, 43, 113, 94] }->{unpack 'v', substr $elf, 18}
    or die "unknown machine\n"
};
my $PIDFD_OPEN = 434;
sub prctl { syscall $PRCTL, $_[0], $_[1], 0, 0, 0 }
sub limit { my $pair = pack 'QQ', $_[1], $_[2] // $_[1]; syscall $PRLIMIT, 0, $_[0], $pair, 0 }
sub now { my $time = "\0" x 16; syscall $CLOCK, 1, $time; my ($s, $ns) = unpack 'qq', $time; $s * 1000 + $ns / 1e6 }
# Unbuffered, since Perl's buffer costs more than these small files.
sub slurp { open my $in, '<', $_[0] or return ''; my $text = ''; 1 while sysread $in, $text, 65536, length $text; $text }
sub spit { open my $out, '>', $_[0] or return; defined syswrite $out, $_[1] }

# Orphans come to us, so that their time counts and none is missed.
prctl(36, 1);
prctl(4, 0) if $<;

# A cgroup of our own where we may make one; the sandbox's own to read where we may not.
my ($cgroup, @join, %at) = ('none');
my $root = '/sys/fs/cgroup';
if (-e "$root/cgroup.controllers") {
  make_cgroup_v2() if !$< && mkdir "$root/bulkhead";
  %at = (current => 'memory.current', peak => 'memory.peak', oom => 'memory.events', cpu => 'cpu.stat', forks => 'pids.events', most => 'pids.max', count => 'pids.current', quota => 'cpu.max');
  $cgroup = 'cgroup v2' if -e "$root/memory.max";
} elsif (-d "$root/memory") {
  my $sub = '';
  if (!$< && 3 == grep { mkdir "$root/$_/bulkhead" } qw(memory pids cpuacct)) { make_cgroups_v1(); $sub = '/bulkhead' }
  %at = (current => "memory$sub/memory.usage_in_bytes", peak => "memory$sub/memory.max_usage_in_bytes", oom => "memory$sub/memory.oom_control", cpu => "cpuacct$sub/cpuacct.usage", forks => "pids$sub/pids.events", most => "pids$sub/pids.max", count => "pids$sub/pids.current", quota => "cpu$sub/cpu.cfs_quota_us");
  # Where both are mounted as one, we are shown one.
  $at{quota} = "cpuacct$sub/cpu.cfs_quota_us" if !-d "$root/cpu";
  $cgroup = 'cgroup v1' if slurp("$root/memory$sub/memory.limit_in_bytes") < 2**60;
}
sub evidence { $cgroup eq 'none' ? '' : slurp("$root/$at{$_[0]}") }
sub counted { evidence($_[0]) =~ /^$_[1] (\d+)/m ? $1 : 0 }
sub cgroup_cpu { my $text = evidence('cpu'); $text =~ /^usage_usec (\d+)/m ? $1 / 1000 : $text / 1e6 }
# Whether the cgroup holds the program to its processes, and tells when it wanted more. Those that serve it may be counted too.
my $counts_forks = evidence('most') =~ /^(\d+)/ && $1 <= $process_limit + 16;
# Whether nobody is in it but the sandbox's first process and us, so that the same number says again that there is nobody else. Not in one of
# our own, which whoever may become root can leave.
my $counts_all = $counts_forks && !@join && evidence('count') == 2;
my %before = (oom => counted('oom', 'oom_kill'), forks => counted('forks', 'max'), cpu => cgroup_cpu(), memory => evidence('current'), own => (usage(0))[0]);

sub processes {
  opendir my $proc, '/proc' or return;
  grep { /^\d+$/ && $_ != $$ && $_ > 1 && ((stat "/proc/$_")[4] // -1) == $uid && is_alive($_) } readdir $proc;
}
sub disk_full {
  for (my @paths = ($home, '/tmp', '/dev/shm')) {
    my $facts = "\0" x 120;
    next if syscall $STATFS, $_, $facts;
    my (undef, $block, $blocks, undef, $free, $files, $free_files) = unpack 'Q7', $facts;
    return 1 if $blocks && $free * $block < 65536 or $files && !$free_files;
  }
  0;
}

sub become_user {
  return if $<;
  $( = $gid;
  $) = "$gid $gid";
  ($<, $>) = ($uid, $uid);
  $< == $uid && $> == $uid or die "cannot become the sandbox's user\n";
}
# The user's own, so that it may open /dev/stdout anew. It may then read from them too, before us: hence no read that waits.
$> = $uid if !$<;
pipe my $out, my $program_out or die;
pipe my $err, my $program_err or die;
$> = 0 if !$<;
fcntl $_, 4, 2048 for $out, $err;
my $program = fork // die;
if (!$program) {
  $SIG{$_} = 'DEFAULT' for qw(PIPE TERM INT HUP);
  spit($_, $$) for @join;
  # Whoever started us may have closed our /proc entries.
  prctl(4, 1);
  spit('/proc/self/oom_score_adj', 500);
  prctl(4, 0);
  syscall $SETSID;
  open STDIN, '<', '/dev/null';
  open STDOUT, '>&', $program_out;
  open STDERR, '>&', $program_err;
  # CPU seconds, file size, core size; and processes where no cgroup counts them, since what a limit refuses leaves no evidence.
  limit(0, 1 + int $cpu_limit / 1000, 2 + int(($cpu_limit + $grace) / 1000));
  limit(1, $file_limit);
  limit(4, 0);
  limit(6, $process_limit) if !$< && !$counts_forks;
  become_user();
  prctl(38, 1);
  @ENV{qw(HOME PWD USER LOGNAME)} = ($home, $home, $user, $user);
  for (split /\n/, $given{BULKHEAD_ENV}) {
    my ($name, $value) = split /=/, $_, 2;
    $value =~ s/%([0-9A-F]{2})/chr hex $1/ge;
    $ENV{$name} = $value;
  }
  my $outputs = $home;
  mkdir($outputs .= "/$_") for split m{/}, $given{BULKHEAD_OUTPUT};
  $ENV{SANDBOX_OUTPUT_DIR} = $outputs;
  chdir $home;
  if (exists $given{BULKHEAD_CODE} && !spit($file, $given{BULKHEAD_CODE})) { syswrite STDERR, "cannot write $file: $!\n" }
  exec split / /, $command;
  syswrite STDERR, "cannot run $command: $!\n";
  exec '/bin/false';
}
close $_ for $program_out, $program_err;

my $started = now();
# When what waits to be written is to go out.
my $flush_at = 0;
my %stream = map { $_->[0] => { reader => $_->[1], total => 0, dropped => 0, tail => '', queue => '' } } [1, $out], [2, $err];
$stream{2}{queue} = "\x1e$nonce started $cgroup\n";
my $pidfd = syscall $PIDFD_OPEN, $program, 0;
my ($reason, $status, $full, $peak, $kill_at, $over_at, @signals) = ('', undef, 0, 0);
my ($deadline, $look_at) = ($started + $timeout, $started + 50);
for my $fd (1, 2) { open my $handle, '>&=', $fd; fcntl $handle, 4, 2048 | fcntl $handle, 3, 0; $stream{$fd}{writer} = $handle }

sub take {
  my ($stream, $bytes) = @_;
  my $room = $keep - $stream->{total};
  $stream->{total} += length $bytes;
  if ($room > 0) {
    # What comes within 5 ms goes out together: each piece costs those who carry it far more than its bytes do.
    $flush_at = now() + 5 if $stream{1}{queue} eq '' && $stream{2}{queue} eq '';
    $stream->{queue} .= substr $bytes, 0, $room, '';
  }
  $stream->{tail} .= $bytes;
  $stream->{tail} = substr $stream->{tail}, -$keep if length $stream->{tail} > 2 * $keep;
  stop('output') if $stream{1}{total} + $stream{2}{total} > $output_limit;
}
# Whether the stream has come to its end.
sub drain {
  my ($stream) = @_;
  my $read = sysread $stream->{reader}, my $bytes, 65536;
  return !defined $read && $! != 4 && $! != 11 || defined $read && !$read if !$read;
  take($stream, $bytes);
  0;
}
sub flush_queues {
  return if now() < $flush_at;
  for my $stream (values %stream) {
    next if $stream->{queue} eq '';
    my $sent = syswrite $stream->{writer}, $stream->{queue};
    if (defined $sent) { substr $stream->{queue}, 0, $sent, '' }
    elsif ($! != 4 && $! != 11) { $stream->{queue} = '' }
  }
}
sub reap { while ((my $pid = waitpid -1, 1) > 0) { $status = $? if $pid == $program } }
# What a cgroup counts, less our own; without one, of those that have ended and were waited for, and of those that run.
sub cpu_used {
  return cgroup_cpu() - $before{cpu} - (usage(0))[0] + $before{own} if $cgroup ne 'none';
  my $ms = (usage(-1))[0];
  $ms += 10 * $_ for map { (facts($_))[11 .. 14] } processes();
  $ms;
}
# CPU milliseconds, and the most bytes that one process had: our own (0), or of what has ended (-1).
sub usage {
  my $usage = "\0" x 144;
  syscall $GETRUSAGE, $_[0], $usage;
  my ($us, $uu, $ss, $su, $maxrss) = unpack 'q5', $usage;
  (($us + $ss) * 1000 + ($uu + $su) / 1000, $maxrss * 1024);
}
sub look_around {
  $full ||= disk_full();
  stop('processes') if counted('forks', 'max') > $before{forks};
  stop('cpu') if cpu_used() > $cpu_limit;
  return if $cgroup ne 'none';
  my $resident = resident();
  $peak = $resident if $resident > $peak;
  stop('memory') if $resident > $memory_limit;
}
sub listen_until {
  my ($until) = @_;
  my ($read, $write) = ('', '');
  my $is_held = now() < $flush_at;
  $until = $flush_at if $is_held && $flush_at < $until;
  for my $stream (values %stream) {
    vec($read, fileno $stream->{reader}, 1) = 1 if $stream->{reader};
    vec($write, fileno $stream->{writer}, 1) = 1 if !$is_held && $stream->{queue} ne '';
  }
  vec($read, $pidfd, 1) = 1 if $pidfd >= 0 && !defined $status;
  my $wait = $until - now();
  $wait = 20 if $pidfd < 0 && $wait > 20;
  select $read, $write, undef, $wait > 0 ? $wait / 1000 : 0;
  for my $stream (values %stream) {
    if ($stream->{reader} && vec($read, fileno $stream->{reader}, 1) && drain($stream)) { close $stream->{reader}; delete $stream->{reader} }
  }
  flush_queues();
}
sub earliest { my $first = shift; for (@_) { $first = $_ if defined && $_ < $first } $first }

# Until the program itself has ended.
flush_queues();
while (!defined $status) {
  listen_until(earliest($look_at, $deadline, $kill_at, $over_at));
  reap();
  last if defined $status;
  my $time = now();
  if ($time >= $deadline) { stop('timeout'); $deadline = 9e15 }
  if ($time >= $look_at) { look_around(); $look_at = $time + 50 }
  if (defined $kill_at && $time >= $kill_at) { send_signal('KILL'); ($kill_at, $over_at) = (undef, $time + 2000) }
  last if defined $over_at && $time >= $over_at;
}
my $wall = now() - $started;
my $refused = counted('forks', 'max') > $before{forks};
$full ||= disk_full();

# What it left running is no longer wanted.
my $is_alone = $counts_all && evidence('count') == 2;
my @left = $is_alone ? () : processes();
my $survivors = !$is_alone && (@left || processes()) ? clear() : 0;
my $cleared = now() - $started;
reap();

my $invalid = 0;
if (defined $status && $status && !($status & 127) && !$reason && $given{BULKHEAD_CHECK}) {
  $invalid = is_invalid();
  $survivors = clear();
}

# Whatever the pipes still hold, and then the tails.
my $drained_by = now() + 1000;
listen_until($drained_by) while now() < $drained_by && grep { $_->{reader} } values %stream;
for my $stream (values %stream) {
  my $tail = substr $stream->{tail}, -$keep;
  my $dropped = $stream->{total} - 2 * $keep;
  $stream->{dropped} = $dropped > 0 ? $dropped : 0;
  $tail = "\n[$dropped bytes left out]\n$tail" if $dropped > 0;
  $stream->{queue} .= $tail;
}

my ($cpu, $most) = usage(-1);
my $counted = cpu_used();
$cpu = $counted if $counted > $cpu;
my $cgroup_peak = evidence('peak') - $before{memory};
for ($most, $cgroup_peak) { $peak = $_ if $_ > $peak }
sub bool { $_[0] ? 'true' : 'false' }
# Whether the program has left anything where its artifacts are looked for, or something else in that place.
sub has_outputs {
  my $outputs = "$home/$given{BULKHEAD_OUTPUT}";
  lstat $outputs or return $! != 2;
  return 1 if !-d _;
  opendir my $entries, $outputs or return 1;
  for (1 .. 3) { my $name = readdir $entries; return 0 if !defined $name; return 1 if $name !~ /^[.]{1,2}$/ }
}

$stream{2}{queue} .= sprintf
  qq(\x1e%s {"reason":"%s","exited":%s,"status":%d,"wallMs":%d,"cpuMs":%d,"peakBytes":%d,"oomKills":%d,"forksRefused":%s,"diskFull":%s,)
  . qq("invalid":%s,"leftRunning":%d,"survivors":%d,"clearedMs":%d,"signals":[%s],"stdoutBytes":%d,"stderrBytes":%d,"dropped":%d,"cpuQuota":%s,"outputs":%s,"cgroup":"%s"}\n),
  $nonce, $reason, bool(defined $status), $status // 0, $wall, $cpu, $peak,
  counted('oom', 'oom_kill') - $before{oom}, bool($refused), bool($full), bool($invalid),
  scalar @left, $survivors, $cleared, join(',', @signals), $stream{1}{total}, $stream{2}{total}, $stream{1}{dropped} + $stream{2}{dropped}, bool(evidence('quota') =~ /^\d/), bool(has_outputs()), $cgroup;
delete $_->{reader} for values %stream;
$flush_at = 0;
flush_queues();
my $said_by = now() + 5000;
listen_until($said_by) while now() < $said_by && grep { $_->{queue} ne '' } values %stream;
# Perl's own end would first free all that it has.
syscall $EXIT, 0;

# Calling a sub that is not there compiles those of which few programs need any.
our $AUTOLOAD;
sub AUTOLOAD {
  my $text = $rarely;
  $rarely = 'die "no such sub\n"';
  eval "$text; 1" or die $@;
  goto &$AUTOLOAD;
}
`

/** Compiled when one of them is first called: compiling is most of what the supervisor costs a program that just ends. */
const rarely = String.raw`
# Microseconds of CPU in each tenth of a second.
sub quota { $cpu_percent * 1000 * (() = slurp('/proc/cpuinfo') =~ /^processor/mg) }
sub make_cgroup_v2 {
  my $own = "$root/bulkhead";
  spit("$root/cgroup.subtree_control", '+memory +pids +cpu');
  spit("$own/memory.max", $memory_limit) && spit("$own/pids.max", $process_limit) or return;
  spit("$own/memory.swap.max", 0);
  spit("$own/cpu.max", quota() . ' 100000');
  ($root, @join) = ($own, "$own/cgroup.procs");
}
sub make_cgroups_v1 {
  spit("$root/memory/bulkhead/memory.limit_in_bytes", $memory_limit);
  spit("$root/pids/bulkhead/pids.max", $process_limit);
  my @own = qw(memory pids cpuacct);
  if (mkdir "$root/cpu/bulkhead") { spit("$root/cpu/bulkhead/cpu.cfs_quota_us", quota()); push @own, 'cpu' }
  @join = map { "$root/$_/bulkhead/cgroup.procs" } @own;
}

# A process may call itself ") Z ", and its first thread may end before the others do: then it is a zombie with threads.
sub facts { slurp("/proc/$_[0]/stat") =~ /.*\) (.*)/s ? split / /, $1 : () }
sub is_alive { my @facts = facts($_[0]); @facts && ($facts[0] !~ /[ZX]/ || $facts[17] > 1) }
sub resident { my $pages = 0; $pages += (split / /, slurp("/proc/$_/statm"))[1] || 0 for processes(); $pages * 4096 }

# To -1: every process of the user but the sender, whatever its session or parent. That would reach us too where we share its user.
# The program may stop or kill the sender, or leave no room for it, but it cannot reach us: then we send one by one.
sub signal_all {
  my ($signal) = @_;
  my $sender = $< ? undef : fork;
  if (defined $sender) {
    if (!$sender) { become_user(); syscall $EXIT, (kill $signal, -1) ? 1 : 2 }
    # Perl's status of one that was stopped is 0.
    waitpid $sender, 2;
    return if $? == 256;
    if (!$?) { kill 'KILL', $sender; waitpid $sender, 0 }
  }
  kill $signal, processes();
}
# Between looks new ones may be born, so look until there are none. Gives how many are left after all.
sub clear {
  my $cleared_by = now() + 2000;
  while (processes() && now() < $cleared_by) { signal_all('KILL'); reap(); select undef, undef, undef, 0.002 }
  scalar(() = processes());
}

# SIGTERM asks, so whoever is there now is enough; SIGKILL must leave no one time to be born.
sub send_signal {
  my ($name) = @_;
  if ($name eq 'TERM') { kill TERM => processes() } else { signal_all($name) }
  push @signals, sprintf '{"signal":"SIG%s","atMs":%d}', $name, now() - $started;
}
# Grace would let a fork bomb go on, with no process left for anyone else.
sub stop {
  return if $reason;
  $reason = $_[0];
  if ($reason eq 'processes') { send_signal('KILL'); $over_at = now() + 2000; return }
  send_signal('TERM');
  $kill_at = now() + $grace;
}

# A program that failed by itself may be one that its language cannot even read. Asked afterwards, that costs valid programs nothing.
sub is_invalid {
  my $checker = fork;
  if (defined $checker && !$checker) {
    alarm 5;
    become_user();
    chdir $home;
    open STDIN, '<', '/dev/null';
    open STDOUT, '>', '/dev/null';
    open STDERR, '>', '/dev/null';
    # What the program has put in the file's place may be a pipe, at which whoever opens it waits.
    if (exists $given{BULKHEAD_CODE}) { unlink $file; spit($file, $given{BULKHEAD_CODE}) if !lstat $file }
    exec '/bin/true' if !-f $file;
    exec '/bin/sh', '-c', $given{BULKHEAD_CHECK};
  }
  my $checked_by = now() + 6000;
  my $checked = 0;
  while ($checker && now() < $checked_by) { last if $checked = waitpid $checker, 1; select undef, undef, undef, 0.002 }
  $checked && $? && !($? & 127);
}
`

const withoutComments = (perl: string) => perl.replaceAll(/^ *# .*\n/gm, "")

/** What is sent into the sandbox: without the lines that are for us alone. */
export const script = `my $rarely = <<'RARELY';${withoutComments(rarely)}RARELY${withoutComments(always)}`

/** All of it as one program, for an image to have. */
export const whole = `my $rarely = '';${always}${rarely}`

/** Where a sandbox's image may have it. Named by its text, so that no other version is taken for it. */
export const place = `/opt/bulkhead/supervise-${hash("sha256", whole).slice(0, 16)}`
