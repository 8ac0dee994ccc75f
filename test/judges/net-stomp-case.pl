# What Perl's Net::Stomp, a client of STOMP 1.0, plays against the broker: `net-stomp-case.pl PORT`. Prints ok, or dies.

use strict;
use warnings;
use Net::Stomp;

my ($port) = @ARGV;

sub is {
    my ( $got, $wanted, $what ) = @_;
    die "$what: got '" . ( $got // 'nothing' ) . "', not '$wanted'\n" unless defined $got && $got eq $wanted;
}

sub client {
    my $stomp = Net::Stomp->new( { hostname => '127.0.0.1', port => $port, timeout => 10 } );
    is( $stomp->connect( { login => 'anna', passcode => 'secret' } )->command, 'CONNECTED', 'login' );
    return $stomp;
}

my $queue = '/queue/net-stomp';
my $sender = client();
is( $sender->send_with_receipt( { destination => $queue, body => "one\nline", 'x-colon' => 'a:b\\c' } ), 1, 'receipt' );
is( $sender->send_transactional( { destination => $queue, body => 'two' } ), 1, 'transaction' );

my $taker = client();
$taker->subscribe( { destination => $queue, ack => 'client', 'prefetch-count' => 1 } );
my $first = $taker->receive_frame;
is( $first->body, "one\nline", 'body' );
is( $first->headers->{'x-colon'}, 'a:b\\c', 'a header as it stands: 1.0 has no escapes' );
$taker->ack( { frame => $first } );
is( $taker->receive_frame->body, 'two', 'the next' );
$taker->disconnect;    # without an acknowledgement: it goes back

my $again = client();
$again->subscribe( { destination => $queue, ack => 'auto' } );
my $second = $again->receive_frame;
is( $second->body, 'two', 'again' );
is( $second->headers->{redelivered}, 'true', 'redelivered' );
$again->send( { destination => '/topic/net-stomp', body => 'from Perl' } );
$again->disconnect;
$sender->disconnect;
print "ok\n";
