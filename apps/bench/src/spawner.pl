# For loop.pl: runs the command given as arguments, which must print "1".
use strict;

my @command = @ARGV;
my $expected = "1\n";

sub begin {
  pipe my $output, my $write or die "pipe: $!";
  my $pid = fork // die "fork: $!";
  if (!$pid) {
    open STDOUT, '>&', $write;
    exec { $command[0] } @command;
    # To die would be to go on as a second loop.
    syswrite STDOUT, "$command[0]: $!";
    kill KILL => $$;
  }
  return { handle => $output, pid => $pid, text => '' };
}

# Once the process has closed its output and is dead.
sub is_over {
  my ($p) = @_;
  return 0 if sysread $p->{handle}, $p->{text}, 4096, length $p->{text};
  waitpid $p->{pid}, 0;
  die "status $?, output '$p->{text}'" if $? || $p->{text} ne $expected;
  return 1;
}

1;
