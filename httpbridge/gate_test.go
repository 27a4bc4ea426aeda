package httpbridge

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// smuggling are requests that readers have been known to take apart in different places. Each is refused.
var smuggling = []struct {
	name, raw string
	reason    Reason
	status    int
}{
	{"both lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG", ReasonFraming, 400},
	{"both lengths, the other way round", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\n", ReasonFraming, 400},
	{"two lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef", ReasonFraming, 400},
	{"one length twice", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\ncontent-length: 5\r\n\r\nabcde", ReasonFraming, 400},
	{"length with a sign", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: +5\r\n\r\nabcde", ReasonFraming, 400},
	{"negative length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: -5\r\n\r\nabcde", ReasonFraming, 400},
	{"hexadecimal length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0x5\r\n\r\nabcde", ReasonFraming, 400},
	{"list of lengths", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5,5\r\n\r\nabcde", ReasonFraming, 400},
	{"length of 20 digits", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 18446744073709551621\r\n\r\nabcde", ReasonFraming, 400},
	{"empty length", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: \r\n\r\n", ReasonFraming, 400},
	{"length with a blank inside", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1 0\r\n\r\nabcdefghij", ReasonFraming, 400},
	{"coding that is none", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", ReasonFraming, 400},
	{"two codings", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", ReasonFraming, 400},
	{"coding twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", ReasonFraming, 400},
	{"chunked twice", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ReasonFraming, 400},
	{"identity", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: identity\r\n\r\n", ReasonFraming, 400},
	{"coding with a vertical tab", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n", ReasonSyntax, 400},
	{"coding in quotes", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", ReasonFraming, 400},
	{"coding in HTTP/1.0", "POST / HTTP/1.0\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ReasonFraming, 400},
	{"coding on a folded line", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n", ReasonSyntax, 400},
	{"bare LF", "GET / HTTP/1.1\nHost: h\n\n", ReasonSyntax, 400},
	{"bare LF in one line", "GET / HTTP/1.1\r\nHost: h\r\nX: a\nContent-Length: 5\r\n\r\n", ReasonSyntax, 400},
	{"bare LF at the end", "GET / HTTP/1.1\r\nHost: h\r\n\n", ReasonSyntax, 400},
	{"bare CR", "GET / HTTP/1.1\r\nHost: h\r\nX: a\rContent-Length: 5\r\n\r\n", ReasonSyntax, 400},
	{"NUL", "GET / HTTP/1.1\r\nHost: h\r\nX: a\x00b\r\n\r\n", ReasonSyntax, 400},
	{"space before the colon", "POST / HTTP/1.1\r\nHost: h\r\nContent-Length : 5\r\n\r\nabcde", ReasonSyntax, 400},
	{"space in a name", "GET / HTTP/1.1\r\nHost: h\r\nX Y: 5\r\n\r\n", ReasonSyntax, 400},
	{"folded line", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n b\r\n\r\n", ReasonSyntax, 400},
	{"folded line with a tab", "GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n", ReasonSyntax, 400},
	{"first header folded", "GET / HTTP/1.1\r\n Host: h\r\n\r\n", ReasonSyntax, 400},
	{"no colon", "GET / HTTP/1.1\r\nHost: h\r\nX\r\n\r\n", ReasonSyntax, 400},
	{"no name", "GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", ReasonSyntax, 400},
	{"chunk with a sign", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n+1\r\na\r\n0\r\n\r\n", ReasonChunk, 400},
	{"chunk 0x1", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\na\r\n0\r\n\r\n", ReasonChunk, 400},
	{"chunk that overflows", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000001\r\na\r\n0\r\n\r\n", ReasonChunk, 400},
	{"chunk with a long extension", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;" + strings.Repeat("x", 64<<10) + "\r\na\r\n0\r\n\r\n", ReasonChunk, 400},
	{"chunk with LF in the extension", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1;a\nb\r\na\r\n0\r\n\r\n", ReasonChunk, 400},
	{"chunk that ends with LF", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\na\r\n0\r\n\r\n", ReasonChunk, 400},
	{"chunk longer than its size", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n", ReasonChunk, 400},
	{"trailer Content-Length", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 5\r\n\r\n", ReasonChunk, 400},
	{"trailer without a colon", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET / HTTP/1.1\r\n\r\n", ReasonChunk, 400},
	{"trailer without end", "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: y\r\n", 2000), ReasonChunk, 400},
	{"target of another host", "GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", ReasonHost, 400},
	{"target with a password", "GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n", ReasonHost, 400},
	{"target without a host", "GET http:///x HTTP/1.1\r\nHost: b\r\n\r\n", ReasonTarget, 400},
	{"target of another scheme", "GET ftp://h/ HTTP/1.1\r\nHost: h\r\n\r\n", ReasonTarget, 400},
	{"target with two slashes", "GET //a/b HTTP/1.1\r\nHost: h\r\n\r\n", ReasonTarget, 400},
	{"target with #", "GET /a#b HTTP/1.1\r\nHost: h\r\n\r\n", ReasonTarget, 400},
	{"target that is no path", "GET a HTTP/1.1\r\nHost: h\r\n\r\n", ReasonTarget, 400},
	{"* that is not for OPTIONS", "GET * HTTP/1.1\r\nHost: h\r\n\r\n", ReasonTarget, 400},
	{"CONNECT with a body", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc", ReasonFraming, 400},
	{"CONNECT in chunks", "CONNECT h:443 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ReasonFraming, 400},
	{"CONNECT to a path", "CONNECT /a HTTP/1.1\r\nHost: h\r\n\r\n", ReasonTarget, 400},
	{"two hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", ReasonHost, 400},
	{"one host twice", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", ReasonHost, 400},
	{"no host", "GET / HTTP/1.1\r\nX: a\r\n\r\n", ReasonHost, 400},
	{"host with a slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", ReasonHost, 400},
	{"host with a comma", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", ReasonHost, 400},
	{"long request line", "GET /" + strings.Repeat("x", lineBytes) + " HTTP/1.1\r\nHost: h\r\n\r\n", ReasonHeadSize, 414},
	{"many headers", "GET / HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X: y\r\n", headFields) + "\r\n", ReasonHeadSize, 431},
	{"long head", "GET / HTTP/1.1\r\nHost: h\r\nX: " + strings.Repeat("y", headBytes) + "\r\n\r\n", ReasonHeadSize, 431},
	{"lower case", "get / HTTP/1.1\r\nHost: h\r\n\r\n", ReasonMethod, 400},
	{"control character in the method", "G\x01ET / HTTP/1.1\r\nHost: h\r\n\r\n", ReasonMethod, 400},
	{"no method", " / HTTP/1.1\r\nHost: h\r\n\r\n", ReasonMethod, 400},
	{"tab between", "GET\t/ HTTP/1.1\r\nHost: h\r\n\r\n", ReasonMethod, 400},
	{"two spaces", "GET  / HTTP/1.1\r\nHost: h\r\n\r\n", ReasonSyntax, 400},
	{"space behind the version", "GET / HTTP/1.1 \r\nHost: h\r\n\r\n", ReasonSyntax, 400},
	{"HTTP/1.2", "GET / HTTP/1.2\r\nHost: h\r\n\r\n", ReasonVersion, 505},
	{"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ReasonVersion, 505},
	{"HTTP/0.9", "GET /\r\n\r\n", ReasonSyntax, 400},
	{"http/1.1", "GET / http/1.1\r\nHost: h\r\n\r\n", ReasonSyntax, 400},
	{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", ReasonMethod, 400},
	{"expectation", "POST / HTTP/1.1\r\nHost: h\r\nExpect: magic\r\nContent-Length: 1\r\n\r\na", ReasonFraming, 417},
}

// TestSmuggling sends each of them to a server: alone, behind a good request on the same connection, and byte by byte. It is
// refused with the status, counted by its reason, and nothing behind it is looked at.
func TestSmuggling(t *testing.T) {
	const good = "POST /rpc/s/good HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n[\"\"]"
	for _, tt := range smuggling {
		t.Run(tt.name, func(t *testing.T) {
			for _, form := range []string{"alone", "behind another", "byte by byte"} {
				r := record(echo)
				s := &Server{Handler: r}
				addr := serveTCP(t, s)
				conn, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				before, evil := "", strings.ReplaceAll(tt.raw, " / HTTP", " /rpc/s/evil HTTP")+strings.Replace(good, "good", "worse", 1)
				if form == "behind another" {
					before = good
				}
				writer := io.Writer(conn)
				if form == "byte by byte" && len(evil) < 2000 {
					writer = byteByByte{conn}
				}
				go func() { _, _ = io.WriteString(writer, before+evil) }() // it may be cut off
				in := bufio.NewReader(conn)
				if before != "" {
					if got := readAnswer(t, in); got.status != 200 {
						t.Fatalf("%s: the good request got %d", form, got.status)
					}
				}
				got, status := readAnswer(t, in), tt.status
				if form == "byte by byte" && got.status == 400 { // what is wrong from the start on, the HTTP server sees before the line is whole
					status = 400
				}
				if checkError(t, got, status, ""); !got.closed {
					t.Errorf("%s: the connection stays open", form)
				}
				if rest, _ := io.ReadAll(in); len(rest) > 0 { // a reset is as good an end
					t.Errorf("%s: what was behind it is answered: %q", form, rest)
				}
				conn.Close()
				for len(r.got) > 0 {
					if call := <-r.got; call.meta["M_m"] != "good" {
						t.Errorf("%s: a call was made: %v", form, call.meta)
					}
				}
				n := s.Stats.Invalid[tt.reason].Load()
				if form == "byte by byte" {
					n += s.Stats.Invalid[ReasonOther].Load() + s.Stats.Invalid[ReasonSyntax].Load()
				}
				if n < 1 || len(counted(s)) != 1 {
					t.Errorf("%s: counted %d times as %s, want once: %v", form, n, tt.reason, counted(s))
				}
			}
		})
	}
}

// byteByByte writes one byte after the other.
type byteByByte struct{ w io.Writer }

func (b byteByByte) Write(text []byte) (int, error) {
	for i := range text {
		if _, err := b.w.Write(text[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(text), nil
}

// counted are the requests that were refused, by reason.
func counted(s *Server) map[string]int64 {
	all := map[string]int64{}
	for _, reason := range Reasons() {
		if n := s.Stats.Invalid[reason].Load(); n > 0 {
			all[reason.String()] = n
		}
	}
	return all
}

// TestOddButGood are requests at the edge of what is allowed: each is read, and the next one on the connection as well.
func TestOddButGood(t *testing.T) {
	for name, raw := range map[string]string{
		"empty line before":         "\r\nPOST /rpc/s/m HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n\"abc\"",
		"chunks":                    "POST /rpc/s/m HTTP/1.1\r\nHost: h\r\ntransfer-encoding: \tChunked \r\n\r\n2;x=\"y\"\r\n\"a\r\n003\r\nbc\"\r\n0\r\nX-Trailer: y\r\n\r\n",
		"absolute target":           "POST http://H:80/rpc/s/m HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n\"abc\"",
		"HTTP/1.0 that stays":       "POST /rpc/s/m HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\n\"abc\"",
		"expectation":               "POST /rpc/s/m HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n\"abc\"",
		"upgrade that is not taken": "POST /rpc/s/m HTTP/1.1\r\nHost: h\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 5\r\n\r\n\"abc\"",
		"value that is UTF-8":       "POST /rpc/s/m HTTP/1.1\r\nHost: h\r\nX-A: \xe4\xbd\xa0 \r\nX-Empty:\r\nContent-Length: 5\r\n\r\n\"abc\"",
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Handler: motan.HandlerFunc(echo)}
			conn, err := net.Dial("tcp", serveTCP(t, s))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() { _, _ = io.WriteString(byteByByte{conn}, raw+post("/rpc/s/m", `["next"]`)) }()
			in := bufio.NewReader(conn)
			for _, want := range []string{`"abc"`, `"next"`} {
				got := readAnswer(t, in)
				if got.status == 100 {
					got = readAnswer(t, in)
				}
				if got.status == 404 && name == "absolute target" {
					continue // such a target belongs to a proxy; the request was read
				}
				if got.status != 200 || got.body != want {
					t.Errorf("got %d %s, want %s", got.status, got.body, want)
				}
			}
			if n := counted(s); len(n) > 0 {
				t.Errorf("refused: %v", n)
			}
		})
	}
}

// FuzzGate lets the gate and Go's own reader take streams of requests apart. As far as the gate lets a stream pass, the other
// must find the same requests in it, with the same ends.
func FuzzGate(f *testing.F) {
	for _, tt := range smuggling {
		if len(tt.raw) < 4096 {
			f.Add([]byte(tt.raw))
		}
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3;a\r\nabc\r\n0\r\nX: y\r\n\r\nGET http://h/ HTTP/1.1\r\nHost: h\r\n\r\n"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var g, at gate
		if n := at.pass(stream); n < len(stream) && at.refusal == nil {
			t.Fatalf("%d bytes pass of %d, and nothing is wrong", n, len(stream))
		}
		var ends []int // of requests
		for i := 0; i < len(stream) && g.pass(stream[i:i+1]) == 1 && g.refusal == nil; i++ {
			if g.state == gateHead && len(g.part) == 0 {
				ends = append(ends, i+1)
			}
		}
		if g.refusal != nil && at.refusal == nil || at.refusal != nil && g.refusal == nil && len(g.part) == 0 {
			t.Fatalf("byte by byte: %v, at once: %v", g.refusal, at.refusal)
		}
		begin := 0
		for _, end := range ends {
			in := bufio.NewReader(bytes.NewReader(stream[begin:end]))
			r, err := http.ReadRequest(in)
			if err == nil {
				_, err = io.Copy(io.Discard, r.Body)
			}
			if err != nil && stricter(err) {
				return
			}
			if rest, _ := io.ReadAll(in); err != nil || len(rest) > 0 {
				t.Fatalf("to the gate %q is one request, to Go it is not: %v, rest %q", stream[begin:end], err, rest)
			}
			begin = end
		}
	})
}

// stricter tells of what Go's reader refuses though it can be read in one way only: names of hosts, percent escapes in
// targets, and names of trailers that it does not want.
func stricter(err error) bool {
	text := err.Error()
	for _, part := range []string{"malformed Host", "invalid URL escape", "parse ", "trailer", "invalid method", "malformed MIME header"} {
		if strings.Contains(text, part) {
			return true
		}
	}
	return false
}

// TestGateParts passes requests in pieces of every size and checks that all comes through unchanged.
func TestGateParts(t *testing.T) {
	body := strings.Repeat("x", 300)
	stream := "GET /a HTTP/1.1\r\nHost: h\r\n\r\n" +
		"POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n" + body +
		"\r\nPOST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n12c\r\n" + body + "\r\n0\r\nX: y\r\n\r\n" +
		"GET /d HTTP/1.1\r\nHost: h\r\n\r\n"
	for step := 1; step <= len(stream); step++ {
		var g gate
		for at := 0; at < len(stream); at += step {
			piece := []byte(stream[at:min(at+step, len(stream))])
			if n := g.pass(piece); n != len(piece) {
				t.Fatalf("step %d: refused at %d: %v", step, at+n, g.refusal)
			}
		}
		if g.state != gateHead || len(g.part) > 0 {
			t.Fatalf("step %d: the gate waits for more, in state %d with %q", step, g.state, g.part)
		}
	}
}

// BenchmarkGate is what the check of a small request with ten headers costs.
func BenchmarkGate(b *testing.B) {
	raw := []byte(post("/rpc/com.example.HelloService/hello", `["`+strings.Repeat("x", 120)+`"]`,
		"User-Agent: bench", "Accept: */*", "Accept-Encoding: gzip", "MOTAN-g: group", "MOTAN-tmo: 500", "Motan-Meta-traceId: 12345", "Cookie: a=b"))
	var g gate
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if g.pass(raw) != len(raw) {
			b.Fatal(g.refusal)
		}
	}
}
