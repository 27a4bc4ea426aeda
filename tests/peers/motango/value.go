package main

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

const argumentHelp = `Each argument of the call is one word:
  JSON                 null, true, 12 (int64), 1.5 (float64), "text", ["a","b"] (list of strings),
                       [1,"a"] (list), {"a":"b"} (map of strings), {"a":1} (map)
  TYPE:TEXT            byte:7  int16:7  int32:7  int64:7  float32:1.5  float64:1.5
                       string:text (not quoted)  bytes:BASE64
`

// parseArguments turns the words of a command line into the Go values that motan-go sends.
func parseArguments(words []string) ([]any, error) {
	values := make([]any, len(words))
	for i, w := range words {
		v, err := parseArgument(w)
		if err != nil {
			return nil, fmt.Errorf("argument %d, %q: %w", i+1, w, err)
		}
		values[i] = v
	}
	return values, nil
}

// parseArgument reads one word: TYPE:TEXT, else JSON.
func parseArgument(word string) (any, error) {
	if name, text, ok := strings.Cut(word, ":"); ok {
		if parse, ok := typed[name]; ok {
			return parse(text)
		}
	}
	d := json.NewDecoder(strings.NewReader(word))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("not JSON, and no TYPE:TEXT: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one JSON value")
	}
	return narrow(v)
}

// typed holds the reader of each TYPE of TYPE:TEXT.
var typed = map[string]func(string) (any, error){
	"string": func(s string) (any, error) { return s, nil },
	"bytes":  func(s string) (any, error) { return base64.StdEncoding.DecodeString(s) },
	"byte": func(s string) (any, error) {
		n, err := strconv.ParseUint(s, 10, 8)
		return byte(n), err
	},
	"int16": func(s string) (any, error) {
		n, err := strconv.ParseInt(s, 10, 16)
		return int16(n), err
	},
	"int32": func(s string) (any, error) {
		n, err := strconv.ParseInt(s, 10, 32)
		return int32(n), err
	},
	"int64": func(s string) (any, error) { return strconv.ParseInt(s, 10, 64) },
	"float32": func(s string) (any, error) {
		f, err := strconv.ParseFloat(s, 32)
		return float32(f), err
	},
	"float64": func(s string) (any, error) { return strconv.ParseFloat(s, 64) },
}

// narrow gives a JSON value the Go type that Motan has for it: whole numbers are int64, and a list or a
// map of nothing but strings has a type of its own.
func narrow(v any) (any, error) {
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return n, nil
		}
		return v.Float64()
	case []any:
		return narrowList(v)
	case map[string]any:
		return narrowMap(v)
	default:
		return v, nil
	}
}

func narrowList(list []any) (any, error) {
	texts := make([]string, 0, len(list))
	for i, e := range list {
		if s, ok := e.(string); ok {
			texts = append(texts, s)
		}
		n, err := narrow(e)
		if err != nil {
			return nil, err
		}
		list[i] = n
	}
	if len(texts) == len(list) {
		return texts, nil
	}
	return list, nil
}

func narrowMap(m map[string]any) (any, error) {
	texts := make(map[string]string, len(m))
	for k, e := range m {
		if s, ok := e.(string); ok {
			texts[k] = s
		}
		n, err := narrow(e)
		if err != nil {
			return nil, err
		}
		m[k] = n
	}
	if len(texts) == len(m) {
		return texts, nil
	}
	return m, nil
}

// printable turns a value that motan-go decoded into one that encoding/json writes: keys become text,
// bytes base64, and numbers that JSON lacks text.
func printable(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[fmt.Sprint(k)] = printable(e)
		}
		return m
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = printable(e)
		}
		return list
	case []byte:
		return base64.StdEncoding.EncodeToString(v)
	case float32:
		return printableFloat(float64(v), v)
	case float64:
		return printableFloat(v, v)
	default:
		return v
	}
}

func printableFloat(f float64, v any) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return v
}
