package registry

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const java = "motan2://10.0.0.1:8002/com.example.HelloService?group=test-group&version=1.0&nodeType=service&" +
	"serialization=hessian2&x=a+b%2Fc%26d%3D%C3%A9&"

func TestParseURL(t *testing.T) {
	tests := []struct {
		name string
		text string
		want URL
	}{
		{"java", java, URL{
			"motan2", "10.0.0.1", 8002, "com.example.HelloService", "test-group",
			map[string]string{"version": "1.0", "nodeType": "service", "serialization": "hessian2", "x": "a b/c&d=é"},
		}},
		{"java without port", "motan2://10.0.0.1/s?group=g&", URL{"motan2", "10.0.0.1", 0, "s", "g", nil}},
		{"java negative port", "motan2://10.0.0.1:-1/s", URL{"motan2", "10.0.0.1", 0, "s", "", nil}},
		{"go raw", "motan2://10.0.0.1:8100/s?group=g&x=a b/c&y=1+1", URL{
			"motan2", "10.0.0.1", 8100, "s", "g", map[string]string{"x": "a b/c", "y": "1+1"},
		}},
		{"go raw with percent", "motan2://h:1/s?f=%s&g=http://a/?q", URL{
			"motan2", "h", 1, "s", "", map[string]string{"f": "%s", "g": "http://a/?q"},
		}},
		{"go agent without protocol", "://192.0.2.2:22802/agent-test?group=agent-test&nodeType=agent", URL{
			"", "192.0.2.2", 22802, "agent-test", "agent-test", map[string]string{"nodeType": "agent"},
		}},
		{"value with equals", "motan2://h:1/s?a=b=c", URL{"motan2", "h", 1, "s", "", map[string]string{"a": "b=c"}}},
		{"no equals", "motan2://h:1/s?a&&=x", URL{"motan2", "h", 1, "s", "", map[string]string{"a": "a"}}},
		{"twice", "motan2://h:1/s?a=1&a=2", URL{"motan2", "h", 1, "s", "", map[string]string{"a": "2"}}},
		{"empty value", "motan2://h:1/s?a=", URL{"motan2", "h", 1, "s", "", map[string]string{"a": ""}}},
		{"no path", "direct://127.0.0.1:9982", URL{"direct", "127.0.0.1", 9982, "", "", nil}},
		{"double slash", "motan2://h:1//s", URL{"motan2", "h", 1, "s", "", nil}},
		{"v6", "motan2://[2001:db8::1]:8002/s", URL{"motan2", "2001:db8::1", 8002, "s", "", nil}},
		{"v6 without brackets", "motan2://2001:db8::1:8002/s", URL{"motan2", "2001:db8::1", 8002, "s", "", nil}},
		{"v6 full without port", "motan2://1:2:3:4:5:6:7:8/s", URL{"motan2", "1:2:3:4:5:6:7:8", 0, "s", "", nil}},
		{"unix", "motan2://unix:///run/a.sock:0/s?group=g", URL{"motan2", "unix:///run/a.sock", 0, "s", "g", nil}},
		{"unix alone", "motan2://unix:///run/a.sock", URL{"motan2", "unix:///run/a.sock", 0, "", "", nil}},
		{"serialized", "\xac\xed\x00\x05\x74\x00\x0emotan2://h:1/s", URL{"motan2", "h", 1, "s", "", nil}},
		{"serialized long", "\xac\xed\x00\x05\x7c\x00\x00\x00\x00\x00\x00\x00\x0emotan2://h:1/s", URL{"motan2", "h", 1, "s", "", nil}},
		{"serialized, more behind", "\xac\xed\x00\x05\x74\x00\x0emotan2://h:1/s\x00\x01", URL{"motan2", "h", 1, "s", "", nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseURL(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestParseURLRefuses(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "no URL"},
		{"serialized null", "\xac\xed\x00\x05\x70", "no URL"},
		{"words", "hello world", "does not begin with protocol://"},
		{"scheme only", "motan2://", "neither an address nor a name"},
		{"spaces in the scheme", "a b://h:1/s", "does not begin with protocol://"},
		{"port too big", "motan2://h:65536/s", "not a number from 0 to 65535"},
		{"port a word", "motan2://h:http/s", "not a number"},
		{"host with a space", "motan2://a b:1/s", "neither an address nor a name"},
		{"open bracket", "motan2://[::1:8004/s", "not [address]:port"},
		{"zone", "motan2://[fe80::1%25eth0]:1/s", "neither an address nor a name"},
		{"unix relative", "motan2://unix://a.sock:0/s", "not unix://"},
		{"not UTF-8", "motan2://h:1/s?a=\xff", "not UTF-8"},
		{"long", "motan2://h:1/s?a=" + strings.Repeat("x", 64<<10), "more than the 65536 allowed"},
		{"long serialized", string(TextJava.Encode("motan2://h:1/s?a=" + strings.Repeat("x", 80<<10))), "more than the 65536 allowed"},
		{"many parameters", "motan2://h:1/s?" + strings.Repeat("a&", 1000), "more than the 512 allowed"},
		{"serialized, cut off", "\xac\xed\x00\x05\x74\x00\x7fmotan2://h:1/s", "127 bytes announced, 14 there"},
		{"serialized, no length", "\xac\xed\x00\x05\x74\x00", "not a whole string"},
		{"serialized, nothing", "\xac\xed\x00\x05", "cut off"},
		{"serialized object", "\xac\xed\x00\x05\x73\x72\x00", "type 0x73"},
		{"serialized, huge", "\xac\xed\x00\x05\x7c\xff\xff\xff\xff\xff\xff\xff\xffx", "bytes announced"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseURL(tt.text)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %+v, error %v; want an error with %q", got, err, tt.want)
			}
			if err != nil && len(err.Error()) > 500 {
				t.Errorf("the error has %d bytes: it repeats what it was given", len(err.Error()))
			}
		})
	}
}

// TestVectors reads and writes what Java and motan-go wrote.
func TestVectors(t *testing.T) {
	data, err := os.ReadFile("testdata/zk.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []struct{ Name, Text, Hex string }
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != 4 {
		t.Fatalf("got %d vectors, want 4", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v.Name, func(t *testing.T) {
			stored, err := hex.DecodeString(v.Hex)
			if err != nil {
				t.Fatal(err)
			}
			switch v.Name {
			case "zk_serializable_null":
				if text, err := DecodeText(stored); text != "" || err != nil {
					t.Errorf("got %q, %v; want nothing", text, err)
				}
				return
			case "zk_serializable_long_prefix":
				got := TextJava.Encode(strings.Repeat("a", 70000))
				if !strings.HasPrefix(string(got), string(stored)) {
					t.Errorf("got % x, want % x at the start", got[:16], stored)
				}
				return
			}
			text, err := DecodeText(stored)
			if err != nil || text != v.Text {
				t.Fatalf("text: got %q, %v; want %q", text, err, v.Text)
			}
			form := TextPlain
			if strings.HasPrefix(v.Hex, "aced") {
				form = TextJava
			}
			if got := form.Encode(v.Text); hex.EncodeToString(got) != v.Hex {
				t.Errorf("encoded: got %x, want %s", got, v.Hex)
			}
			n, err := ParseNode(hello, "ignored:1", string(stored))
			if err != nil || n.Host != "10.0.0.1" || n.Protocol != "motan2" || n.Version != "1.0" {
				t.Errorf("node: got %+v, %v", n, err)
			}
		})
	}
}

// TestMotanGoTree reads every node that a motan-go agent was seen to make.
func TestMotanGoTree(t *testing.T) {
	data, err := os.ReadFile("testdata/motan-go-tree.txt")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^(/\S+/(\S+?)/(?:server|unavailableServer|client|node)/(\S+)) eph=true acl=\S+ \S+ data=(".*")$`)
	found := 0
	for text := range strings.Lines(string(data)) {
		m := line.FindStringSubmatch(strings.TrimSpace(strings.Replace(text, "acl=[{31 world anyone}]", "acl={31 world}", 1)))
		if m == nil {
			continue
		}
		found++
		stored, err := strconv.Unquote(m[4])
		if err != nil {
			t.Fatalf("%s: %v", m[1], err)
		}
		u, err := ParseURL(stored)
		if err != nil {
			t.Errorf("%s: %v", m[1], err)
			continue
		}
		if got := hostPort(u.Host, u.Port); got != m[3] || u.Group == "" {
			t.Errorf("%s: got %s of group %q", m[1], got, u.Group)
		}
		again, err := ParseURL(string(AppendURL(nil, u)))
		if err != nil || !reflect.DeepEqual(again, u) {
			t.Errorf("%s: written and read again: got %+v, %v; want %+v", m[1], again, err, u)
		}
	}
	if found < 10 {
		t.Errorf("got %d nodes from the capture, want more than 10", found)
	}
}

func TestAppendURL(t *testing.T) {
	u := URL{Protocol: "motan2", Host: "2001:db8::1", Port: 8002, Path: "s", Group: "a b", Params: map[string]string{
		"z": "1", "filter": "a,b", "export": "motan2:8002", "x": "ü/=&?%+ ", "group": "other", "hello(int).retries": "2",
	}}
	want := "motan2://[2001:db8::1]:8002/s?group=a%20b&export=motan2:8002&filter=a,b&hello(int).retries=2&x=%C3%BC%2F%3D%26%3F%25%2B%20&z=1"
	got := string(AppendURL([]byte("> "), u))
	if got != "> "+want {
		t.Errorf("got  %s\nwant > %s", got, want)
	}
}

// A text without anything to decode must not be decoded when it is read again: "+" alone would become a space.
func TestURLRoundTrip(t *testing.T) {
	for _, value := range []string{"", "a", "a+b", "a b", "100%", "%20", "ü", "\x00", "😀", "a&b=c", "://", "a\nb"} {
		u := URL{Protocol: "motan2", Host: "unix:///run/x:y.sock", Path: "s", Group: "g", Params: map[string]string{"k": value}}
		for _, form := range []TextForm{TextJava, TextPlain} {
			got, err := ParseURL(string(form.Encode(string(AppendURL(nil, u)))))
			if err != nil || !reflect.DeepEqual(got, u) {
				t.Errorf("%q as %s: got %+v, %v; want %+v", value, form, got, err, u)
			}
		}
	}
}

func TestModifiedUTF8(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a", "610a"},
		{"\x00", "c0800a"},
		{"é", "c3a90a"},
		{"中", "e4b8ad0a"},
		{"😀", "eda0bdedb8800a"},
	}
	for _, tt := range tests {
		stored := TextJava.Encode(tt.text + "\n")
		if got := hex.EncodeToString(stored[7:]); got != tt.want {
			t.Errorf("%q: got %s, want %s", tt.text, got, tt.want)
		}
		if back, err := DecodeText(stored); err != nil || back != tt.text+"\n" {
			t.Errorf("%q read again: got %q, %v", tt.text, back, err)
		}
	}
}

func TestTextFormCheck(t *testing.T) {
	for form, good := range map[TextForm]bool{"": true, TextJava: true, TextPlain: true, "xml": false} {
		if err := form.Check(); (err == nil) != good {
			t.Errorf("%q: got %v", form, err)
		}
	}
}

func TestParseNode(t *testing.T) {
	tests := []struct {
		name, entry, text string
		want              string // address, or part of the error after "!"
	}{
		{"text", "1.1.1.1:1", java, "10.0.0.1:8002"},
		{"no text", "10.0.0.9:8002", "", "10.0.0.9:8002"},
		{"no text, no port", "10.0.0.9", "", "10.0.0.9:80"},
		{"no text, null", "[::1]:8002", "\xac\xed\x00\x05\x70", "[::1]:8002"},
		{"no text, no address", "lock-000001 x", "", "!its name"},
		{"other service", "h:1", "motan2://h:1/com.example.Other", "!describes service"},
		{"more path", "h:1", "motan2://h:1/com.example.HelloService/1.0", "h:1"},
		{"no service", "h:1", "motan2://h:1", "h:1"},
		{"no port", "h:1", "motan2://h/com.example.HelloService", "!no port"},
		{"unix", "x", "motan2://unix:///a.sock:0/com.example.HelloService", "unix:///a.sock"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := ParseNode(hello, tt.entry, tt.text)
			if want, bad := strings.CutPrefix(tt.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %+v, %v; want an error with %q", n, err, want)
				}
				return
			}
			if err != nil || n.Addr() != tt.want || n.Group != hello.Group || n.Path != hello.Path || n.Protocol != "motan2" {
				t.Errorf("got %+v, %v; want %s", n, err, tt.want)
			}
		})
	}
}

func TestNodeText(t *testing.T) {
	n := node(t, "10.0.0.1:8002")
	n.Params = map[string]string{
		"URL_FORMAT": "http://x/%s?y", "percent": "50%", "question": "a?b", "line": "a\nb", "long": strings.Repeat("x", 5000),
		"log_dir": "/data/log", "filter": "a,b", "": "x", "group": "evil",
	}
	n.Version = ""
	text, err := n.Text()
	want := "motan2://10.0.0.1:8002/com.example.HelloService?group=test-group&filter=a,b&log_dir=%2Fdata%2Flog&nodeType=service&version=1.0"
	if err != nil || text != want {
		t.Errorf("got  %s, %v\nwant %s", text, err, want)
	}
	bad := map[string]func(*Node){
		"host":       func(n *Node) { n.Host = "a b" },
		"no host":    func(n *Node) { n.Host = "" },
		"port":       func(n *Node) { n.Port = 70000 },
		"no path":    func(n *Node) { n.Path = "" },
		"path":       func(n *Node) { n.Path = "a/b" },
		"protocol":   func(n *Node) { n.Protocol = "a b" },
		"parameters": func(n *Node) { n.Params = many(513) },
		"size":       func(n *Node) { n.Params = maps.Collect(maps.All(many(400))); fill(n.Params, 1000) },
	}
	for name, change := range bad {
		n := node(t, "10.0.0.1:8002")
		change(&n)
		if text, err := n.Text(); err == nil {
			t.Errorf("%s: got %.100q, want an error", name, text)
		}
	}
}

func many(count int) map[string]string {
	m := make(map[string]string, count)
	for i := range count {
		m[fmt.Sprintf("k%d", i)] = "v"
	}
	return m
}

func fill(m map[string]string, size int) {
	for k := range m {
		m[k] = strings.Repeat("x", size)
	}
}

func TestAddr(t *testing.T) {
	for address, want := range map[string]string{
		"10.0.0.1:80": "10.0.0.1:80", "[::1]:80": "[::1]:80", "unix:///a/b.sock": "unix:///a/b.sock", "unix:///a:0": "unix:///a",
	} {
		host, port, err := ParseAddr(address)
		if got := (Node{Host: host, Port: port}).Addr(); err != nil || got != want {
			t.Errorf("%s: got %s, %v; want %s", address, got, err, want)
		}
	}
	for _, address := range []string{"", ":80", "a:b", "a:80/x", "unix://a", "[::1", "a,b:80"} {
		if host, port, err := ParseAddr(address); err == nil {
			t.Errorf("%q: got %q and %d, want an error", address, host, port)
		}
	}
}

// FuzzNode reads arbitrary text and names. What is accepted must be bounded and must survive being written.
func FuzzNode(f *testing.F) {
	f.Add("10.0.0.1:8002", java)
	f.Add("[::1]:1", "")
	f.Add("x", "\xac\xed\x00\x05\x74\x00\x0emotan2://h:1/s")
	f.Add("x", "motan2://unix:///run/a.sock:0/com.example.HelloService?group=g&f=%s&g=http://a/?q=1")
	f.Add("2001:db8::1:8002", "://2001:db8::1:8002/com.example.HelloService?a&&=x&%zz=%")
	f.Fuzz(func(t *testing.T, name, text string) {
		n, err := ParseNode(hello, name, text)
		if err != nil {
			if errors.Is(err, ErrNoURL) {
				t.Errorf("empty text: got %v, want the name to be used", err)
			}
			return
		}
		if n.Group != hello.Group || n.Path != hello.Path || n.Port < 0 || n.Port > 65535 || len(n.Params) > maxURLParams+1 {
			t.Fatalf("got %+v", n)
		}
		u := URL{Protocol: n.Protocol, Host: n.Host, Port: n.Port, Path: n.Path, Group: n.Group, Params: n.Params}
		written := string(AppendURL(nil, u))
		if len(written) > maxURLBytes {
			return
		}
		again, err := ParseNode(hello, name, written)
		if err != nil || !sameNode(again, n) {
			t.Errorf("written as %q and read again: got %+v, %v; want %+v", written, again, err, n)
		}
	})
}
