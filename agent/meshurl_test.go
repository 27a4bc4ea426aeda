package agent

import "testing"

// A registry is found by each of its addresses, and by either name of ZooKeeper.
func TestProxyRegistry(t *testing.T) {
	c := parse(t, Default(), "", "motan-registry:\n  a: {protocol: zookeeper, host: h1, port: 2181}\n  b: {protocol: zk, address: \"h2:2181,h3:2181/chroot\"}\n"+
		"  c: {protocol: direct, address: \"[::1]:7\"}\n  d: {protocol: local}\n")
	for text, want := range map[string]string{
		"zookeeper://h1:2181":         "a",
		"zk://h1:2181":                "a",
		"zookeeper://h2:2181":         "b",
		"zookeeper://h3:2181":         "b",
		"zookeeper://h3:2181/x?y=z&":  "b",
		"direct://[::1]:7":            "c",
		"local://127.0.0.1:0":         "d",
		"zookeeper://h1:2182":         "",
		"zookeeper://h1":              "",
		"direct://h1:2181":            "",
		"h1:2181":                     "",
		"":                            "",
		"zookeeper://h1:2181:2181/a?": "",
	} {
		if got, err := (meshURL{Parameters: map[string]string{"proxyRegistry": text}}).proxyRegistry(c); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v; want %q", text, got, err, want)
		}
	}
	both := meshURL{Parameters: map[string]string{"proxyRegistry": "zk://nobody:1", "proxyRegistryUrlString": "zookeeper%3A%2F%2Fh2%3A2181%2Fcom.weibo.api.motan.registry.RegistryService%3Fgroup%3Ddefault_rpc%26"}}
	if got, err := both.proxyRegistry(c); got != "b" {
		t.Errorf("second parameter: got %q, %v; want b", got, err)
	}
}

// Filters meant for the agent are taken if there are any, else all, as motan-go does.
func TestMeshFilters(t *testing.T) {
	for given, want := range map[string]string{
		"":                     "",
		"a,b":                  "a,b",
		"a,af_b":               "b",
		" af_a , b,af_ , af_c": "a,c",
		"af_":                  "af_",
	} {
		u := meshURL{Parameters: map[string]string{}}
		if given != "" {
			u.Parameters["filter"] = given
		}
		if got := u.in("g", "r").Parameters["filter"]; got != want {
			t.Errorf("%q: got %q, want %q", given, got, want)
		}
	}
}
