# What few programs need of agent.pl, whose names it uses. Subs alone: in mode "one" AUTOLOAD compiles each when it is called, and takes it
# from its "sub" at the beginning of a line to the next.

# What is told to a program that runs.
sub attend {
  my ($c, $type, $payload) = @_;
  if ($type == $INPUT) {
    take_input($c, $payload);
  }
  elsif ($type == $CLOSE_INPUT) {
    $c->{close_in} = 1;
    delete $c->{in} unless length $c->{inq};
  }
  elsif ($type == $SIGNAL) {
    my $signal = unpack 'N', $payload;
    kill $signal, -$c->{pid} or kill $signal, $c->{pid} if !defined $c->{status};
  }
  elsif ($type == $CREDIT) { $c->{credit} += unpack 'N', $payload }
}

sub take_input {
  my ($c, $payload) = @_;
  return send_frame($INPUT_DONE, $c->{id}, "\1") if !$c->{in} || $c->{close_in};
  $c->{inq} .= $payload;
  write_input($c) if length $c->{inq};
}

sub write_input {
  my ($c) = @_;
  my $n = syswrite $c->{in}, $c->{inq};
  if (!defined $n) {
    return if $! == $EAGAIN || $! == $EINTR;
    $c->{inq} = '';
    delete $c->{in};
    return send_frame($INPUT_DONE, $c->{id}, "\1");
  }
  substr $c->{inq}, 0, $n, '';
  return if length $c->{inq};
  send_frame($INPUT_DONE, $c->{id}, "\0");
  delete $c->{in} if $c->{close_in};
}

sub refuse { my ($id, $why) = @_; send_frame($START_FAILED, $id, "resource_exhausted\0$why") }

sub limit {
  my ($resource, $value) = @_;
  my $pair = pack 'QQ', $value, $value;
  syscall($PRLIMIT, 0, $resource, $pair, 0) == 0 or die "limit $resource: $!";
}

sub leave {
  my ($message) = @_;
  open my $report, '>&=', 3;
  syswrite $report, $message;
  syscall($EXIT, 127);
}

# Bytes of disk in all and used; and, when asked, CPU time in microseconds and resident bytes of all processes.
sub measure {
  my ($with_processes) = @_;
  my ($total, $used, %seen) = (0, 0);
  for (my @paths = ('/home', '/tmp', '/dev/shm')) {
    my $facts = "\0" x 120;
    next if $seen{(stat)[0]}++ || syscall $STATFS, $_, $facts;
    my (undef, $block, $blocks, $free) = unpack 'Q4', $facts;
    $total += $block * $blocks;
    $used += $block * ($blocks - $free);
  }
  return join ' ', $total, $used, $with_processes ? measure_processes() : ();
}

# File operations: each runs in a forked child that has become the asking user, on the same pipes as a program.

sub file_operation {
  my ($user, $home, $op, @args) = @_;
  syscall($CLOSE, 3);
  chdir $home;
  my %operation = (
    stat => \&op_stat, list => \&op_list, mkdir => \&op_mkdir, remove => \&op_remove,
    move => \&op_move, read => \&op_read, write => \&op_write
  );
  $operation{$op}->($home, @args);
  syscall($EXIT, 0);
}

sub measure_processes {
  my ($ticks, $pages) = (0, 0);
  opendir my $proc, '/proc' or return (0, 0);
  for my $pid (grep { /^\d/ } readdir $proc) {
    open my $file, '<', "/proc/$pid/stat" or next;
    my @fields = split / /, <$file> =~ s/.*\) //sr;
    # Of itself, and of the children that it has reaped.
    $ticks += $fields[11] + $fields[12] + $fields[13] + $fields[14];
    $pages += $fields[21];
  }
  return ($ticks * 10000, $pages * 4096);
}

sub fail_file {
  my ($kind, $message) = @_;
  put(2, "$kind\0$message");
  syscall($EXIT, 1);
}

sub fail_errno {
  my ($what) = @_;
  my $errno = $! + 0;
  my $kind = $errno == 2 || $errno == 20 ? 'not_found'
    : $errno == 17 ? 'already_exists'
    : $errno == 28 || $errno == 122 ? 'no_space'
    : $errno == 13 || $errno == 1 || $errno == 30 ? 'permission_denied'
    : $errno == 21 || $errno == 22 || $errno == 36 || $errno == 39 || $errno == 40 || $errno == 6 ? 'invalid_argument'
    : 'internal';
  fail_file($kind, "$what: $!");
}

sub put {
  my ($fd, $bytes) = @_;
  open my $handle, '>&=', $fd;
  while (length $bytes) {
    my $n = syswrite $handle, $bytes;
    if (!defined $n) { next if $! == $EINTR; syscall($EXIT, 1) }
    substr $bytes, 0, $n, '';
  }
}

sub absolute {
  my ($home, $path) = @_;
  $path = $home if $path eq '' || $path eq '~';
  $path = $home . substr $path, 1 if $path =~ m{^~/};
  $path = "$home/$path" if $path !~ m{^/};
  my @parts;
  for (split m{/+}, $path) {
    next if $_ eq '' || $_ eq '.';
    if ($_ eq '..') { pop @parts; next }
    push @parts, $_;
  }
  return '/' . join '/', @parts;
}

sub kind_of { return -l _ ? 'l' : -d _ ? 'd' : -f _ ? 'f' : 'o' }

# Nine fields, each ended by NUL: name, kind, path, size, mode, uid, gid, mtime, link target.
sub entry {
  my ($path) = @_;
  my @s = lstat $path or return;
  my ($kind, $target) = (kind_of(), '');
  if ($kind eq 'l') {
    $target = readlink $path;
    $target = absolute(parent($path), $target) if $target !~ m{^/};
    $kind = -d _ ? 'd' : -f _ ? 'f' : 'o' if stat $path;
  }
  my ($name) = $path =~ m{([^/]*)$};
  return join "\0", $name eq '' ? '/' : $name, $kind, $path, $s[7], $s[2] & 07777, $s[4], $s[5], $s[9], $target, '';
}

sub put_entry {
  my ($path) = @_;
  my $entry = entry($path);
  fail_errno("path '$path'") unless defined $entry;
  put(1, $entry);
}

sub op_stat { my ($home, $path) = @_; put_entry(absolute($home, $path)) }

sub op_list {
  my ($home, $given, $depth) = @_;
  my $path = absolute($home, $given);
  stat $path or fail_errno("path '$path'");
  fail_file('invalid_argument', "path '$path' is not a directory") unless -d _;
  my $buffer = '';
  walk($path eq '/' ? '' : $path, $depth, \$buffer);
  put(1, $buffer);
}

sub walk {
  my ($path, $depth, $buffer) = @_;
  opendir my $dir, $path eq '' ? '/' : $path or return;
  my @names = sort grep { $_ ne '.' && $_ ne '..' } readdir $dir;
  closedir $dir;
  for my $name (@names) {
    my $entry = entry("$path/$name");
    next unless defined $entry;
    $$buffer .= $entry;
    if (length $$buffer > 65536) { put(1, $$buffer); $$buffer = '' }
    lstat "$path/$name";
    walk("$path/$name", $depth - 1, $buffer) if $depth > 1 && -d _ && !-l _;
  }
}

sub make_parents {
  my ($path) = @_;
  my @missing;
  for (my $dir = $path; $dir ne ''; $dir =~ s{/[^/]*$}{}) {
    last if stat $dir;
    fail_errno("path '$dir'") if $! != 2;
    unshift @missing, $dir;
  }
  for (@missing) { mkdir $_, 0755 or $! == 17 or fail_errno("path '$_'") }
}

sub parent { my ($path) = @_; $path =~ s{/[^/]*$}{}; return $path }

sub op_mkdir {
  my ($home, $given) = @_;
  my $path = absolute($home, $given);
  if (stat $path) {
    fail_file('already_exists', "directory already exists: $path") if -d _;
    fail_file('invalid_argument', "path already exists but it is not a directory: $path");
  }
  make_parents($path);
  put_entry($path);
}

sub op_remove {
  my ($home, $given) = @_;
  my $path = absolute($home, $given);
  lstat $path or $! == 2 ? return : fail_errno("path '$path'");
  $ENV{LC_ALL} = 'C';
  exec { '/usr/bin/rm' } 'rm', '-rf', '--', $path if -d _ && !-l _;
  unlink $path or fail_errno("path '$path'");
}

sub op_move {
  my ($home, $from, $to) = @_;
  my ($source, $destination) = (absolute($home, $from), absolute($home, $to));
  lstat $source or fail_errno("path '$source'");
  make_parents(parent($destination));
  if (!rename $source, $destination) {
    fail_errno("moving '$source' to '$destination'") if $! != 18;
    system({ '/usr/bin/mv' } 'mv', '-fT', '--', $source, $destination) == 0
      or fail_file('internal', "moving '$source' to '$destination' failed");
  }
  put_entry($destination);
}

# O_NONBLOCK: a FIFO or a device in the place of the file must not hold this process.
sub op_read {
  my ($home, $given) = @_;
  my $path = absolute($home, $given);
  sysopen my $file, $path, $O_NONBLOCK | $O_CLOEXEC or fail_errno("path '$path'");
  my @s = stat $file;
  fail_file('invalid_argument', "path '$path' is a directory") if -d _;
  fail_file('invalid_argument', "path '$path' is not a regular file") unless -f _;
  put(1, "$s[7]\0");
  my $left = $s[7] || 1 << 50;
  while ($left > 0) {
    my $n = sysread $file, my $buffer, $left < 65536 ? $left : 65536;
    if (!defined $n) { next if $! == $EINTR; fail_errno("path '$path'") }
    last unless $n;
    $left -= $n;
    put(1, $buffer);
  }
}

sub op_write {
  my ($home, $given) = @_;
  my $path = absolute($home, $given);
  make_parents(parent($path));
  sysopen my $file, $path, 1 | 0100 | $O_NONBLOCK | $O_CLOEXEC, 0644 or fail_errno("path '$path'");
  stat $file;
  fail_file('invalid_argument', "path '$path' is not a regular file") unless -f _;
  truncate $file, 0 or fail_errno("path '$path'");
  open my $source, '<&=', 0;
  while (1) {
    my $n = sysread $source, my $buffer, 65536;
    if (!defined $n) { next if $! == $EINTR; fail_errno("path '$path'") }
    last unless $n;
    while (length $buffer) {
      my $w = syswrite $file, $buffer;
      if (!defined $w) { next if $! == $EINTR; fail_errno("path '$path'") }
      substr $buffer, 0, $w, '';
    }
  }
  put_entry($path);
}
