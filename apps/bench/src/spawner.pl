# Runs the command given as arguments again and again. Each line on standard input, "<concurrency> <milliseconds>", is
# answered with one line of JSON. A process this small forks in a fraction of a millisecond, which no large one can.
use strict;
use Time::HiRes 'clock_gettime', 'CLOCK_MONOTONIC';

my @command = @ARGV;
my $expected = "1\n";
$| = 1;
while (<STDIN>) {
  my ($concurrency, $duration) = split;
  my $answer = eval { block($concurrency, $duration) };
  print $answer // do { (my $why = $@) =~ s/[^ -~]|["\\]/ /g; qq({"error":"$why"}) }, "\n";
}

sub now { return clock_gettime(CLOCK_MONOTONIC) * 1000 }

sub block {
  my ($concurrency, $duration) = @_;
  my (%running, @latencies);
  my $started = now();
  launch(\%running) for 1 .. $concurrency;
  while (%running) {
    my $ready = '';
    vec($ready, $_, 1) = 1 for keys %running;
    select $ready, undef, undef, undef;
    for my $fd (grep { vec $ready, $_, 1 } keys %running) {
      my $latency = read_some($running{$fd});
      next unless defined $latency;
      push @latencies, $latency;
      delete $running{$fd};
      launch(\%running) if now() - $started < $duration;
    }
  }
  my $wall = now() - $started;
  return sprintf '{"latencies":[%s],"wallMs":%.3f}', join(',', map { sprintf '%.3f', $_ } @latencies), $wall;
}

sub launch {
  my ($running) = @_;
  pipe my $output, my $write or die "pipe: $!";
  my $started = now();
  my $pid = fork // die "fork: $!";
  if (!$pid) {
    open STDOUT, '>&', $write;
    exec { $command[0] } @command;
    die "$command[0]: $!";
  }
  $running->{fileno $output} = { output => $output, pid => $pid, started => $started, text => '' };
}

# The latency once the process has closed its output and is dead.
sub read_some {
  my ($p) = @_;
  my $n = sysread $p->{output}, $p->{text}, 4096, length $p->{text};
  return if $n;
  waitpid $p->{pid}, 0;
  die "status $?, output '$p->{text}'" if $? || $p->{text} ne $expected;
  return now() - $p->{started};
}
