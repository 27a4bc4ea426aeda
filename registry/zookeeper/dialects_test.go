package zookeeper

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// peerURL is what another implementation's reader makes of a text.
type peerURL struct {
	protocol, host, path, group string
	port                        int
	params                      map[string]string
}

// javaURL reads as Motan Java does (motan protocol, section 5.2): it cuts at the first "?", splits at "&" and the first "=",
// and decodes.
func javaURL(text string) (u peerURL, err error) {
	address, query, _ := strings.Cut(text, "?")
	u.params = map[string]string{}
	for part := range strings.SplitSeq(query, "&") {
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			value = key
		}
		if key, err = url.QueryUnescape(key); err != nil {
			return u, err
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return u, err
		}
		if key != "" {
			u.params[key] = value
		}
	}
	u.group = u.params["group"]
	protocol, rest, ok := strings.Cut(address, "://")
	if !ok || protocol == "" {
		return u, errors.New("no protocol")
	}
	u.protocol = protocol
	rest, u.path, _ = strings.Cut(rest, "/")
	host, port, ok := strings.Cut(rest, ":")
	if ok {
		if u.port, err = strconv.Atoi(port); err != nil {
			return u, err
		}
	}
	u.host = host
	return u, nil
}

// goURL reads as motan-go does: it splits at every "?", "://", "/", ":" and "=", decodes nothing, and keeps the first segment
// of the path only. An error stands for the nil that makes its watch panic.
func goURL(text string) (u peerURL, err error) {
	parts := strings.Split(text, "?")
	if len(parts) > 2 {
		return u, errors.New("more than one question mark")
	}
	scheme := strings.Split(parts[0], "://")
	if len(scheme) != 2 {
		return u, errors.New("not one protocol")
	}
	u.protocol = scheme[0]
	path := strings.Split(scheme[1], "/")
	if len(path) > 1 {
		u.path = path[1]
	}
	host := strings.Split(path[0], ":")
	if len(host) != 2 {
		return u, errors.New("not host:port")
	}
	u.host = host[0]
	if u.port, err = strconv.Atoi(host[1]); err != nil {
		return u, err
	}
	u.params = map[string]string{}
	if len(parts) == 2 {
		for pair := range strings.SplitSeq(parts[1], "&") {
			if kv := strings.Split(pair, "="); len(kv) == 2 {
				u.params[kv[0]] = kv[1]
			}
		}
	}
	u.group = u.params["group"]
	return u, nil
}

// javaString undoes what Java's ObjectOutputStream writes, as motan-go does: by the length of the header alone.
func javaString(data []byte) string {
	switch {
	case strings.HasPrefix(string(data), "\xac\xed\x00\x05\x74"):
		return string(data[7:])
	case strings.HasPrefix(string(data), "\xac\xed\x00\x05\x7c"):
		return string(data[13:])
	}
	return string(data)
}

// Whatever we announce is either refused with a word why, or read right by Java's and motan-go's readers, in both forms.
func TestAnnouncedIsReadByPeers(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	tests := []struct {
		name   string
		change func(*registry.Node)
		refuse string // a part of the error; empty: it is announced
	}{
		{"usual", func(*registry.Node) {}, ""},
		{"a name for a host", func(n *registry.Node) { n.Host = "web-1.example.com" }, ""},
		{"IPv6", func(n *registry.Node) { n.Host = "2001:db8::1" }, "IPv6"},
		{"IPv4 in IPv6", func(n *registry.Node) { n.Host = "::ffff:10.0.0.1" }, "IPv6"},
		{"unix socket", func(n *registry.Node) { n.Host, n.Port = "unix:///run/a.sock", 0 }, "other hosts need"},
		{"unix socket with a port", func(n *registry.Node) { n.Host = "unix:///run/a.sock" }, "other hosts need"},
		{"no port", func(n *registry.Node) { n.Port = 0 }, "other hosts need"},
		{"host with %2F", func(n *registry.Node) { n.Host = "a%2Fb" }, "host"},
		{"host with a blank", func(n *registry.Node) { n.Host = "a b" }, "host"},
		{"path with a slash", func(n *registry.Node) { n.Path = "a/b" }, "slash"},
		{"path with %2F", func(n *registry.Node) { n.Path = "a%2Fb" }, "a path has no"},
		{"path with a question mark", func(n *registry.Node) { n.Path = "a?b" }, "a path has no"},
		{"path with an equals sign", func(n *registry.Node) { n.Path = "a=b" }, "a path has no"},
		{"path with a colon", func(n *registry.Node) { n.Path = "a:b" }, ""},
		{"path beyond ASCII", func(n *registry.Node) { n.Path = "com.example.Grüße" }, ""},
		{"path with a line feed", func(n *registry.Node) { n.Path = "a\nb" }, "refuses"},
		{"group with a slash", func(n *registry.Node) { n.Group = "a/b" }, "slash"},
		{"group with dots", func(n *registry.Node) { n.Group = ".." }, "not a name"},
		{"values with marks", func(n *registry.Node) {
			n.Params = map[string]string{"filter": "a,b", "x": "a b&c=d/e", "é": "ü", "export": "motan2:8002"}
		}, ""},
		{"values that are left out", func(n *registry.Node) {
			n.Params = map[string]string{"URL_FORMAT": "http://h/%s?x", "log": "a\x00b"}
		}, ""},
		{"longer than 64 KiB", func(n *registry.Node) {
			n.Params = map[string]string{}
			for i := range 40 {
				n.Params[fmt.Sprint("k", i)] = strings.Repeat("v", 2000)
			}
		}, "more than"},
	}
	for _, form := range []registry.TextForm{registry.TextJava, registry.TextPlain} {
		r := open(t, s, func(o *Options) { o.Form, o.Address = form, s.Addr+"/"+string(form) })
		for i, tt := range tests {
			t.Run(string(form)+" "+tt.name, func(t *testing.T) {
				n := provider(8001 + i)
				tt.change(&n)
				err := r.Announce(t.Context(), n)
				if tt.refuse != "" {
					if err == nil || !strings.Contains(err.Error(), tt.refuse) {
						t.Errorf("got %v, want an error with %q", err, tt.refuse)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				dir := "/" + string(form) + root + "/" + n.Group + "/" + n.Path + "/server"
				data := await(t, c, dir+"/"+n.Addr())
				checkPeers(t, n, javaString(data))
			})
		}
	}
}

// await waits for path to exist and returns its data.
func await(t *testing.T, c *zk.Conn, path string) (data []byte) {
	t.Helper()
	eventually(t, func() string {
		var err error
		if data, _, err = c.Get(path); err != nil {
			return path + ": " + err.Error()
		}
		return ""
	})
	return data
}

func checkPeers(t *testing.T, n registry.Node, text string) {
	t.Helper()
	inJava, err := javaURL(text)
	if err != nil {
		t.Fatalf("Java cannot read %q: %v", text, err)
	}
	inGo, err := goURL(text)
	if err != nil {
		t.Fatalf("motan-go cannot read %q: %v", text, err)
	}
	for reader, u := range map[string]peerURL{"Java": inJava, "motan-go": inGo} {
		if u.protocol != n.Protocol || u.host != n.Host || u.port != n.Port || u.path != n.Path || u.group != n.Group {
			t.Errorf("%s reads %+v, want %+v", reader, u, n)
		}
		for _, key := range []string{"nodeType", "version"} {
			if u.params[key] == "" {
				t.Errorf("%s reads no %s in %q", reader, key, text)
			}
		}
		for _, key := range []string{"filter", "export"} { // what must not be encoded
			if u.params[key] != n.Params[key] {
				t.Errorf("%s: %s: got %q, want %q", reader, key, u.params[key], n.Params[key])
			}
		}
	}
	for key, want := range n.Params {
		if want == "http://h/%s?x" || want == "a\x00b" {
			want = ""
		}
		if got := inJava.params[key]; got != want {
			t.Errorf("Java: %s: got %q, want %q", key, got, want)
		}
	}
}

// Where only motand reads, IPv6 is allowed and read.
func TestIPv6(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	r := open(t, s, func(o *Options) { o.IPv6, o.LocalIP = true, "2001:db8::7" })
	list := watch(t, r, testService)
	n := provider(8001)
	n.Host = "2001:db8::1"
	if err := r.Announce(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "[2001:db8::1]:8001")
	expectTree(t, s.Client(), map[string]int64{testBase + "/client/[2001:db8::7]:0": connected(t, r)})
	without := open(t, s, func(o *Options) { o.LocalIP = "2001:db8::8" })
	watch(t, without, testService).expect(t, "[2001:db8::1]:8001")
	if id := owner(t, s.Client(), testBase+"/client/[2001:db8::8]:0"); id != 0 {
		t.Error("a client with an IPv6 address shows itself where that is not allowed")
	}
}

// Each dialect of the field is read right from a real tree.
func TestDialectsAreRead(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	c := s.Client()
	r := open(t, s, nil)
	long := "motan2://10.0.0.1:8009/" + testPath + "?group=test-group&x=" + strings.Repeat("y", 40000) + "é&"
	tests := []struct {
		name, node string
		data       []byte
		addr       string
		protocol   string
		params     map[string]string // some of them
	}{
		{
			"motan-go", "10.0.0.1:8001", []byte("motan2://10.0.0.1:8001/" + testPath + "?group=test-group&application=agent-test&export=motan2:8001&nodeType=service&proxy=motan2:8002&version=1.0"),
			"10.0.0.1:8001", "motan2",
			map[string]string{"export": "motan2:8001", "proxy": "motan2:8002", "version": "1.0"},
		},
		{
			"motan-go, nothing encoded", "10.0.0.1:8002", []byte("motan2://10.0.0.1:8002/" + testPath + "?group=test-group&x=a+b c/d"),
			"10.0.0.1:8002", "motan2",
			map[string]string{"x": "a+b c/d"},
		},
		{
			"Java, protocol zk", "10.0.0.1:8003", []byte("motan2://10.0.0.1:8003/" + testPath + "?group=test-group&x=a+b%2Fc%26d%3D%C3%A9&"),
			"10.0.0.1:8003", "motan2",
			map[string]string{"x": "a b/c&d=é"},
		},
		{
			"Java, protocol zookeeper", "10.0.0.1:8004", registry.TextJava.Encode("motan://10.0.0.1:8004/" + testPath + "?group=test-group&serialization=hessian2&"),
			"10.0.0.1:8004", "motan",
			map[string]string{"serialization": "hessian2"},
		},
		{"Java null", "10.0.0.1:8005", []byte("\xac\xed\x00\x05\x70"), "10.0.0.1:8005", "motan2", nil},
		{"empty", "10.0.0.1:8006", nil, "10.0.0.1:8006", "motan2", nil},
		{"empty, no port", "10.0.0.8", nil, "10.0.0.8:80", "motan2", nil},
		{
			"parameter without value", "10.0.0.1:8007", []byte("motan2://10.0.0.1:8007/" + testPath + "?group=test-group&flag&x=1"),
			"10.0.0.1:8007", "motan2",
			map[string]string{"flag": "flag", "x": "1"},
		},
		{
			"two equals signs", "10.0.0.1:8008", []byte("motan2://10.0.0.1:8008/" + testPath + "?group=test-group&x=a=b"),
			"10.0.0.1:8008", "motan2",
			map[string]string{"x": "a=b"},
		},
		{"long Java string", "10.0.0.1:8009", registry.TextJava.Encode(long), "10.0.0.1:8009", "motan2", nil},
		{
			"another address in the text", "10.0.0.1:9999", []byte("motan2://10.0.0.1:8010/" + testPath + "?group=other"),
			"10.0.0.1:8010", "motan2", nil,
		},
	}
	list := watch(t, r, testService)
	list.expect(t)
	for _, tt := range tests {
		makeNode(t, c, testBase+"/server/"+tt.node, tt.data, zk.FlagEphemeral)
	}
	eventually(t, func() string {
		if got, _, _ := list.latest(); len(got) != len(tests) {
			return fmt.Sprintf("got %v, want %d nodes", got, len(tests))
		}
		return ""
	})
	_, nodes, _ := list.latest()
	for _, tt := range tests {
		i := slices.IndexFunc(nodes, func(n registry.Node) bool { return n.Addr() == tt.addr })
		if i < 0 {
			t.Errorf("%s: %s is not in the list", tt.name, tt.addr)
			continue
		}
		n := nodes[i]
		if n.Protocol != tt.protocol || n.Group != testGroup || n.Path != testPath || !n.Available {
			t.Errorf("%s: got %+v", tt.name, n)
		}
		for key, want := range tt.params {
			if n.Params[key] != want {
				t.Errorf("%s: %s: got %q, want %q", tt.name, key, n.Params[key], want)
			}
		}
	}
}
