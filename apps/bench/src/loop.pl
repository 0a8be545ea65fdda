# Does one thing again and again, so many times at once. Each line on standard input, "<concurrency> <milliseconds>", is answered with one
# line of JSON. A process this small costs little beside what it measures, and forks in a fraction of a millisecond, which no large one can.
# Arguments: the file that tells what to do, and that file's own. It has `begin`, which is given an earlier one that is over, if there is
# any, and gives the `handle` to watch; and `is_over`, which reads from that and dies where something is wrong.
use strict;
use Time::HiRes 'clock_gettime', 'CLOCK_MONOTONIC';

require shift;
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
    for my $one (map { $running{$_} } grep { vec $ready, $_, 1 } keys %running) {
      next unless is_over($one);
      push @latencies, now() - $one->{started};
      delete $running{fileno $one->{handle}};
      launch(\%running, $one) if now() - $started < $duration;
    }
  }
  my $wall = now() - $started;
  return sprintf '{"latencies":[%s],"wallMs":%.3f}', join(',', map { sprintf '%.3f', $_ } @latencies), $wall;
}

sub launch {
  my ($running, $earlier) = @_;
  my $started = now();
  my $one = begin($earlier);
  $running->{fileno $one->{handle}} = { %$one, started => $started };
}
