package conf_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"

	"github.com/motand/motand/conf"
)

// schema is Schema compiled by a library that knows nothing of us.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	text, err := conf.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("motand.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("motand.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON reads YAML as a validator of JSON sees it.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Every example fits the schema, the folder form's files each by itself.
func TestSchemaFitsExamples(t *testing.T) {
	s := schema(t)
	files := 0
	err := filepath.WalkDir("examples", func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if !strings.Contains(string(text), "motan-") && !strings.Contains(string(text), "http-") {
			return nil // not a configuration of an agent
		}
		files++
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || files < 15 {
		t.Errorf("got %d files, %v", files, err)
	}
}

func TestSchemaRefuses(t *testing.T) {
	s := schema(t)
	for _, text := range []string{
		"motan-agnet: {}",
		"motan-agent: {prot: 1}",
		"motan-agent: {port: -1}",
		"motan-agent: {port: 65536}",
		"motan-agent: {log_level: loud}",
		"motan-refer: {a: [1]}",
		"motan-refer: {a: {retries: [1]}}",
		"motan-refer: {a: {retries: 1.5}}",
		"http-locations: {a: {match: /}}",
	} {
		if s.Validate(asJSON(t, []byte(text))) == nil {
			t.Errorf("%s: got no error", text)
		}
	}
}
