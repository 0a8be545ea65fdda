# For loop.pl: posts JSON over connections that are new in each block and kept open through it. Arguments: address, port, path, body, and
# what must be in every answer.
use strict;
use Socket;

my ($address, $port, $path, $body, @expected) = @ARGV;
my $head = "POST $path HTTP/1.1\r\nHost: $address:$port\r\nContent-Type: application/json\r\nContent-Length: ";
my $request = $head . length($body) . "\r\n\r\n$body";
$SIG{PIPE} = 'IGNORE';

sub begin {
  my ($earlier) = @_;
  my $socket = $earlier ? $earlier->{handle} : connection();
  (syswrite $socket, $request) == length $request or die "sending the request: $!";
  return { handle => $socket, text => '' };
}

sub connection {
  socket my $socket, PF_INET, SOCK_STREAM, 0 or die "socket: $!";
  connect $socket, pack_sockaddr_in($port, inet_aton($address)) or die "connecting to port $port: $!";
  return $socket;
}

# Once the whole answer is there.
sub is_over {
  my ($p) = @_;
  sysread $p->{handle}, $p->{text}, 65536, length $p->{text} or die "the connection ended: $p->{text}";
  my ($head, $rest) = split /\r\n\r\n/, $p->{text}, 2;
  return 0 unless defined $rest;
  my ($length) = $head =~ /^content-length: (\d+)/mi or die "no length: $head";
  return 0 if length $rest < $length;
  for ('HTTP/1.1 200 ', @expected) { die "not '$_': $p->{text}" if index($p->{text}, $_) < 0 }
  return 1;
}

1;
