// Package fastcgi asks a FastCGI server, such as PHP-FPM, to run a script: the side of the web server, in the role
// Responder. [Client] keeps connections, [Params] are what the script is told, [Response] is what it has answered.
//
// It knows neither HTTP nor Motan, does not multiplex (one connection has one request at a time, as PHP-FPM wants it), and
// gives a response back as a whole.
//
// It prevents the failures that this protocol is prone to: a server whose processes are all held by kept connections that
// nobody uses, a request that is executed twice because a kept connection had been closed, a response that mixes with that
// of another request, a script that fills the memory or the log, two sides that wait for each other because both
// write, headers that a script smuggles into what is passed on.
//
// # On the wire
//
// Everything is a record (FastCGI specification 1.0, section 3.3):
//
//	byte 0    version, 1
//	byte 1    type: 1 begin, 2 abort, 3 end, 4 params, 5 stdin, 6 stdout, 7 stderr, 9 get values, 10 their result
//	byte 2-3  id of the request, here always 1; 0 where a record belongs to none
//	byte 4-5  length of the content
//	byte 6    length of the padding behind it
//	byte 7    reserved
//
// A request is a begin record and the streams params and stdin, each ended by an empty record. The answer is the streams
// stdout and stderr, mixed as they come, and an end record.
package fastcgi
