package web

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// A node is an object of the document.
type node = map[string]any

func theDocument(t *testing.T) node {
	t.Helper()
	var doc node
	if err := json.Unmarshal(openAPI, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// in returns what is at a path inside a node.
func in(n node, path ...string) node {
	for _, p := range path {
		n, _ = n[p].(node)
	}
	return n
}

// Every handler is in the document, and everything in it has a handler.
func TestDocumentHasTheOperations(t *testing.T) {
	doc := theDocument(t)
	var documented, handled []string
	for path, item := range in(doc, "paths") {
		for method := range item.(node) {
			documented = append(documented, strings.ToUpper(method)+" "+path)
		}
	}
	for _, op := range operations {
		handled = append(handled, op.method+" "+op.path)
		o := in(doc, "paths", op.path, strings.ToLower(op.method))
		if _, public := o["security"]; public != op.public {
			t.Errorf("%s %s: public in the document %t, in the handlers %t", op.method, op.path, public, op.public)
		}
		if o != nil && o["operationId"] == nil {
			t.Errorf("%s %s has no operationId", op.method, op.path)
		}
		want := "200"
		if op.status == 201 {
			want = "201"
		}
		if in(o, "responses", want) == nil {
			t.Errorf("%s %s: no answer %s in the document", op.method, op.path, want)
		}
		if strings.Contains(op.path, "{id}") != strings.Contains(string(mustJSON(t, o["parameters"])), `"in":"path"`) {
			t.Errorf("%s %s: the parameter of the path", op.method, op.path)
		}
	}
	slices.Sort(documented)
	slices.Sort(handled)
	if !slices.Equal(documented, handled) {
		t.Errorf("the document has %v,\nthe handlers are %v", documented, handled)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The schemas are the types that are read and written.
func TestDocumentHasTheTypes(t *testing.T) {
	schemas := in(theDocument(t), "components", "schemas")
	for _, v := range []any{
		OrderRequest{},
		ReplaceRequest{},
		OrderAnswer{},
		CancelAnswer{},
		Report{},
		OpenOrder{},
		OrderPage{},
		ReportPage{},
		Balance{},
		Balances{},
		Instrument{},
		Instruments{},
		Clock{},
		Problem{},
		ProblemBody{},
	} {
		typ := reflect.TypeOf(v)
		schema := in(schemas, typ.Name())
		if schema == nil {
			t.Errorf("%s is not in the document", typ.Name())
			continue
		}
		properties := in(schema, "properties")
		var required []string
		names := map[string]bool{}
		for f := range typ.Fields() {
			name, option, _ := strings.Cut(f.Tag.Get("json"), ",")
			names[name] = true
			if option != "omitempty" {
				required = append(required, name)
			}
			p := in(properties, name)
			if p == nil {
				t.Errorf("%s.%s is not in the document", typ.Name(), name)
				continue
			}
			if got, want := typeOf(p), jsonType(f.Type); got != want {
				t.Errorf("%s.%s: %s in the document, %s in JSON", typ.Name(), name, got, want)
			}
		}
		for name := range properties {
			if !names[name] {
				t.Errorf("%s.%s of the document is no field", typ.Name(), name)
			}
		}
		var documented []string
		for _, r := range schema["required"].([]any) {
			documented = append(documented, r.(string))
		}
		slices.Sort(documented)
		slices.Sort(required)
		if !slices.Equal(documented, required) {
			t.Errorf("%s: the document requires %v, JSON has always %v", typ.Name(), documented, required)
		}
	}
}

func typeOf(p node) string {
	if r, ok := p["$ref"].(string); ok {
		return r[strings.LastIndex(r, "/")+1:]
	}
	if p["type"] == "array" {
		return "list of " + typeOf(in(p, "items"))
	}
	return p["type"].(string)
}

func jsonType(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "string"
	case reflect.Bool:
		return "boolean"
	case reflect.Slice:
		return "list of " + jsonType(t.Elem())
	case reflect.Struct:
		return t.Name()
	default:
		return "integer"
	}
}

// The words that the document allows are those that are read.
func TestDocumentHasTheWords(t *testing.T) {
	schemas := in(theDocument(t), "components", "schemas")
	check := func(schema, field string, want []string) {
		t.Helper()
		var got []string
		list, _ := in(schemas, schema, "properties", field)["enum"].([]any)
		for _, w := range list {
			got = append(got, w.(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s.%s: the document has %v, want %v", schema, field, got, want)
		}
	}
	check("OrderRequest", "side", names(sides))
	check("OrderRequest", "type", names(types))
	check("OrderRequest", "time_in_force", names(lives))
	check("OrderRequest", "post_only", names(postOnlys))
	check("OrderRequest", "peg", names(pegs))
	check("OrderRequest", "trigger", names(triggers))
	check("OrderRequest", "self_trade", names(selfTrades))
	check("Report", "side", names(sides))
	var codes []string
	for _, c := range []Code{
		CodeRequest, CodeNoSignature, CodeSignature, CodeClock, CodeReplayed, CodeRate, CodeNotFound, CodeMethod, CodeTooLarge,
		CodeIdempotency, CodeRejected, CodeBusy, CodeUnknown, CodeStopping, CodeInternal,
	} {
		codes = append(codes, string(c))
	}
	check("ProblemBody", "code", codes)
}

func names[T any](words []word[T]) (list []string) {
	for _, w := range words {
		list = append(list, w.name)
	}
	return list
}

func TestFind(t *testing.T) {
	for _, tt := range []struct {
		method, path string
		rest         string
		want         Code
		allow        string
	}{
		{"GET", "/v1/orders", "/v1/orders", "", ""},
		{"DELETE", "/v1/orders/12", "12", "", ""},
		{"GET", "/v1/orders/12/13", "", CodeNotFound, ""},
		{"GET", "/v1/orders/", "", CodeNotFound, ""},
		{"PATCH", "/v1/orders/12", "", CodeMethod, "GET, PUT, DELETE"},
		{"GET", "/", "", CodeNotFound, ""},
	} {
		op, rest, p := find(tt.method, tt.path)
		wantCode(t, tt.method+" "+tt.path, p, tt.want)
		switch {
		case p == nil && (op == nil || rest != tt.rest && op.path != tt.rest):
			t.Errorf("%s %s: rest %q, want %q", tt.method, tt.path, rest, tt.rest)
		case p != nil && p.reason != tt.allow:
			t.Errorf("%s %s: allowed %q, want %q", tt.method, tt.path, p.reason, tt.allow)
		}
	}
}
