/**
 * Lists a directory inside the sandbox, in Perl for the reasons the supervisor is; as the sandbox's user, so that it can open no more
 * than the program could. It opens each regular file without following a link and holds it open, so that what is read afterwards, as
 * `/proc/<pid>/fd/<fd>`, is what was listed, whatever its name has come to mean.
 */
const source = String.raw`
use strict;
my ($most, $deepest, $largest, $seconds, $hold) = split / /, $ENV{BULKHEAD_LIST};
alarm $seconds;
open my $self, '<:raw', '/proc/self/exe' or die;
read $self, my $elf, 20;
# The numbers of openat and close; O_NOFOLLOW and O_DIRECTORY.
my ($OPENAT, $CLOSE, $NOFOLLOW, $DIRECTORY) = @{
  { 0x3e => [257, 3, 131072, 65536], 0xb7 => [56, 57, 32768, 16384] }->{unpack 'v', substr $elf, 18} or die "unknown machine\n"
};
# With O_NONBLOCK and O_NOCTTY.
sub open_at { my ($at, $name, $flags) = @_; my $text = "$name"; syscall $OPENAT, $at, $text, $flags | 2304, 0 }

my ($looked, $more, $device, @held) = (0, 0);
my $listing = "pid $$\n";
sub note {
  my ($kind, $path, $fd, $size, $blocks) = @_;
  $listing .= join(' ', $kind, $fd // -1, $size // 0, $blocks // 0, length $path, unpack 'H*', substr $path, 0, 300) . "\n";
}
sub walk {
  my ($fd, $path, $depth) = @_;
  opendir my $directory, "/proc/self/fd/$fd" or return note('unreadable', $path);
  my @names;
  while (defined(my $name = readdir $directory)) {
    next if $name eq '.' || $name eq '..';
    if ($looked >= $most) { $more = 1; last }
    $looked++;
    push @names, $name;
  }
  closedir $directory;
  look($fd, $_, $path eq '' ? $_ : "$path/$_", $depth) for sort @names;
}
sub look {
  my ($at, $name, $path, $depth) = @_;
  my @facts = lstat "/proc/self/fd/$at/$name" or return note('unreadable', $path);
  my $kind = -l _ ? 'symlink' : -p _ ? 'fifo' : -S _ ? 'socket' : -b _ || -c _ ? 'device' : -d _ ? 'directory' : -f _ ? 'file' : 'unknown';
  $kind = 'mount' if $facts[0] != $device;
  if ($kind eq 'directory') {
    return note('deep', $path) if $depth >= $deepest;
    my $fd = open_at($at, $name, $DIRECTORY | $NOFOLLOW);
    return note('unreadable', $path) if $fd < 0;
    walk($fd, $path, $depth + 1);
    syscall $CLOSE, $fd;
    return;
  }
  return note($kind, $path) if $kind ne 'file';
  return note('linked', $path) if $facts[3] > 1;
  return note('file', $path, -1, @facts[7, 12]) if $facts[7] > $largest;
  my $fd = open_at($at, $name, $NOFOLLOW);
  return note('unreadable', $path) if $fd < 0 || !open my $handle, '<&=', $fd;
  my @opened = stat $handle;
  return note('unreadable', $path) if "@opened[0, 1]" ne "@facts[0, 1]";
  push @held, $handle;
  note('file', $path, $fd, @opened[7, 12]);
}

my $at = open_at(-100, (getpwuid $<)[7], $DIRECTORY);
my $flaw = $at < 0 ? 'unreadable' : '';
for my $name (split m{/}, $ENV{BULKHEAD_OUTPUT}) {
  last if $flaw;
  if (!lstat "/proc/self/fd/$at/$name") { $flaw = $! == 2 ? 'missing' : 'unreadable' }
  elsif (!-d _) { $flaw = 'replaced' }
  else { my $next = open_at($at, $name, $DIRECTORY | $NOFOLLOW); syscall $CLOSE, $at; $at = $next; $flaw = 'unreadable' if $at < 0 }
}
if (!$flaw) { $device = (stat "/proc/self/fd/$at/.")[0]; walk($at, '', 1) }
elsif ($flaw ne 'missing') { note($flaw, '') }
$listing .= "end $more\n";
while (length $listing) { my $sent = syswrite STDOUT, $listing; die if !defined $sent && $! != 4; substr $listing, 0, $sent // 0, '' }
exit if !@held;
close STDOUT;
alarm $hold;
sleep 3600 while 1;
`

export const script = source.trim()

/** Exit codes of the line below where there is no Perl. */
export const exitCodes = { notLooked: 3, nothing: 4 } as const

/** Without Perl it can be told whether there is anything, and no more. */
export const line = [
  'if command -v perl >/dev/null 2>&1; then exec perl -e "$BULKHEAD_LISTER"; fi',
  'd=$(getent passwd "$(id -u)" | cut -d: -f6)/$BULKHEAD_OUTPUT',
  `if [ -L "$d" ] || [ -n "$(ls -A -U -- "$d" 2>/dev/null | head -c 1)" ]; then exit ${exitCodes.notLooked}; fi`,
  `exit ${exitCodes.nothing}`
].join("\n")
