package conf

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Schema is the configuration's form as JSON Schema (draft 2020-12), made of the table of keys: editors complete and check
// by it. It is wider than Load, which also knows what belongs together.
func Schema() ([]byte, error) {
	properties := map[string]any{}
	for _, k := range table().all {
		if k.Sections[0] == "" {
			properties[k.Name] = k.schema()
		}
	}
	for _, section := range []string{sectionAgent, sectionClient, sectionServer, sectionMetrics} {
		properties[section] = mapping(section)
	}
	for _, section := range []string{sectionRegistry, sectionBasicRefer, sectionRefer, sectionBasicService, sectionService, sectionHTTPClient} {
		properties[section] = described(section, map[string]any{"type": []string{"object", "null"}, "additionalProperties": mapping(section)})
	}
	properties[sectionLocations] = described(sectionLocations, map[string]any{
		"type":                 []string{"object", "null"},
		"additionalProperties": map[string]any{"type": []string{"array", "null"}, "items": mapping(sectionLocations)},
	})
	properties[sectionMetrics].(map[string]any)["patternProperties"] = map[string]any{
		"^[Gg]raphite$": map[string]any{"type": []string{"array", "null"}, "items": mapping(sectionGraphite)},
	}
	return json.MarshalIndent(map[string]any{
		"$schema":              "https://json-schema.org/draft/2020-12/schema",
		"title":                "motand",
		"type":                 "object",
		"properties":           properties,
		"additionalProperties": false,
	}, "", "  ")
}

// described adds to a section's schema what the table says of it.
func described(section string, schema map[string]any) map[string]any {
	if k, ok := lookup("", section); ok {
		schema["description"] = k.Description
	}
	return schema
}

// mapping is the schema of one mapping of a section. The keys of entries are open: what is not known is carried.
func mapping(section string) map[string]any {
	sections := []string{section}
	if slices.Contains(entrySections, section) {
		sections = entrySections
	}
	properties, methods := map[string]any{}, []string{}
	for _, s := range sections {
		for name, k := range table().bySection[s] {
			properties[name] = k.schema()
			if k.Method {
				methods = append(methods, name)
			}
		}
	}
	schema := map[string]any{"type": []string{"object", "null"}, "properties": properties}
	switch {
	case section == sectionAgent:
		schema["additionalProperties"] = false
	case section == sectionMetrics || section == sectionGraphite: // whose keys are read without regard to case
	case len(methods) > 0:
		slices.Sort(methods)
		schema["patternProperties"] = map[string]any{`\)\.(` + strings.Join(slices.Compact(methods), "|") + `)$`: map[string]any{}}
	}
	return described(section, schema)
}

// schema is the key's own. A placeholder, ${name}, fits everywhere.
func (k Key) schema() map[string]any {
	about := k.Description
	if k.Unit != "" {
		about += " (" + k.Unit + ")"
	}
	if k.NoEffect {
		about += "; no effect"
	}
	schema := map[string]any{"description": about}
	if k.Default != "" {
		schema["default"] = k.defaultValue()
	}
	text := map[string]any{"type": "string"}
	switch {
	case k.Values != nil:
		schema["anyOf"] = []any{map[string]any{"enum": append([]any{nil}, anySlice(k.Values)...)}, map[string]any{"type": "string", "pattern": `^\$\{`}}
	case k.Type == Bool:
		schema["anyOf"] = []any{map[string]any{"type": []string{"boolean", "null"}}, text}
	case k.Type == Int, k.Type == Port:
		number := map[string]any{"type": []string{"integer", "null"}, "minimum": k.Min}
		if k.Max > 0 {
			number["maximum"] = k.Max
		}
		if k.Type == Port {
			number["maximum"] = 65535
		}
		schema["anyOf"] = []any{number, text}
	case k.Type == Float:
		schema["anyOf"] = []any{map[string]any{"type": []string{"number", "null"}}, text}
	case k.Type == Mapping:
		schema["type"] = []string{"object", "null"}
	case k.Type == Items:
		schema["type"] = []string{"array", "null", "object", "string"}
	default:
		schema["type"] = []string{"string", "number", "boolean", "null", "array"}
	}
	return schema
}

// defaultValue is the default as YAML would have it.
func (k Key) defaultValue() any {
	switch k.Type {
	case Bool:
		return k.Default == "true"
	case Int, Port, Float:
		if n, err := strconv.ParseFloat(k.Default, 64); err == nil {
			return json.Number(fmt.Sprint(n))
		}
	}
	return k.Default
}

func anySlice(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}
