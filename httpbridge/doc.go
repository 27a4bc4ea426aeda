// Package httpbridge connects HTTP and Motan. [Server] takes HTTP requests of local programs and makes them calls;
// [Provider] takes calls and makes them HTTP requests to a local web service.
//
// It knows no registry, no balance and no configuration file. It prevents the failures that the border of two protocols
// is prone to: a header or a path that smuggles a second request or a reserved attachment across, an error that reaches a
// program as HTML or as an empty answer, a web service that is slow or large and takes the agent with it, a
// request that is sent twice because a kept connection had been closed.
//
// # HTTP in
//
//	POST /rpc/{service}/{method}   body: JSON array of the arguments, form, bytes   answer: JSON value, or a JSON error
//	POST /rpc                      body: JSON array of calls                         answer: JSON array of their answers
//	GET  /rpc/{service}/{method}   query: the arguments; only methods that the Catalog names
//	GET  /rpc/, /rpc/{service}     pages, or JSON, of what can be called
//	     /proxy_to_rpc             the motan-go agent's form: query or form parameters, text/plain
//	     a Host of http-client     the raw exchange: head and body of the request, and of the response, as bytes
//	     any other Host, CONNECT   passed on as HTTP, or a tunnel, by [Forward]
//
// # HTTP out
//
// A Provider has the three modes of the motan-go agent (motan protocol, section 7.4), told apart for each call:
//
//	metadata HTTP_PROXY is true    transparent   [head, body] in, [head, body] out (simple list of bytes)
//	ProxyAddress is set            proxy         one argument becomes query, form or body; the body comes back as bytes
//	neither                        URL format    method and argument fill in a URL; the body comes back as a string
package httpbridge
