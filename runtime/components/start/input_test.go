package start_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/api/v1alpha1"
	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/start"
)

type object = map[string]any

func form() catalog.Params {
	return catalog.Params{"kind": "fields", "fields": []any{
		object{"name": "email", "label": "E-mail", "type": "email", "required": true},
		object{"name": "count", "type": "number", "default": "1"},
		object{"name": "gift", "type": "boolean"},
		object{"name": "day", "type": "date"},
		object{"name": "site", "type": "url"},
		object{"name": "size", "type": "select", "options": []any{"S", "M"}, "default": "M"},
		object{"name": "note", "type": "longText"},
		object{"name": "limit", "type": "number"},
	}}
}

func one() catalog.Params {
	return catalog.Params{"fields": []any{object{"name": "name", "label": "Your name", "required": true}}}
}

func TestInput(t *testing.T) {
	t.Parallel()
	full := object{"email": "a@example.com", "count": 1.0, "gift": false, "day": "", "site": "", "size": "M", "note": "", "limit": nil}
	with := func(name string, value any) object {
		out := object{}
		maps.Copy(out, full)
		out[name] = value
		return out
	}
	cases := map[string]struct {
		reason  string
		params  catalog.Params
		input   any
		want    any
		problem string
	}{
		"any value":       {"Without fields, any value passes.", catalog.Params{"kind": "fields"}, []any{1.0, "x"}, []any{1.0, "x"}, ""},
		"nothing":         {"No value is a value too.", catalog.Params{}, nil, nil, ""},
		"defaults":        {"What is absent has its default, or is empty.", form(), object{"email": "a@example.com"}, full, ""},
		"number as text":  {"Forms send texts; numbers are read from them.", form(), object{"email": "a@example.com", "count": " 2.5 "}, with("count", 2.5), ""},
		"number":          {"Programs send numbers.", form(), object{"email": "a@example.com", "count": 3.0}, with("count", 3.0), ""},
		"not a number":    {"Other texts are no numbers.", form(), object{"email": "a@example.com", "count": "many"}, nil, "“count” must be a number"},
		"infinite":        {"Infinity is no number of JSON.", form(), object{"email": "a@example.com", "count": "Inf"}, nil, "“count” must be a number"},
		"ticked":          {"A ticked box is yes.", form(), object{"email": "a@example.com", "gift": "on"}, with("gift", true), ""},
		"yes":             {"Programs send true.", form(), object{"email": "a@example.com", "gift": true}, with("gift", true), ""},
		"maybe":           {"There is nothing between.", form(), object{"email": "a@example.com", "gift": "maybe"}, nil, "“gift” must be true or false"},
		"date":            {"A date is a text.", form(), object{"email": "a@example.com", "day": "2026-02-28"}, with("day", "2026-02-28"), ""},
		"no such date":    {"It must exist.", form(), object{"email": "a@example.com", "day": "2026-02-30"}, nil, "“day” must be a date"},
		"address":         {"A web address is checked.", form(), object{"email": "a@example.com", "site": "javascript:alert(1)"}, nil, "“site” must be an address"},
		"choice":          {"One of the choices.", form(), object{"email": "a@example.com", "size": "S"}, with("size", "S"), ""},
		"other choice":    {"No other.", form(), object{"email": "a@example.com", "size": "XXL"}, nil, "“size” must be one of: S, M"},
		"missing":         {"What must be there is asked for by its label.", form(), object{}, nil, "“E-mail” is missing"},
		"empty":           {"Empty is missing.", form(), object{"email": ""}, nil, "“E-mail” is missing"},
		"bad e-mail":      {"An e-mail address is checked.", form(), object{"email": "Ann <a@example.com>"}, nil, "“E-mail” must be an e-mail address"},
		"unknown field":   {"Unknown fields are refused, and not repeated.", form(), object{"email": "a@example.com", "canary": 1.0}, nil, "Its fields are: email, count"},
		"not an object":   {"A form of several fields needs an object.", form(), "hello", nil, "must be an object"},
		"object as text":  {"A field takes no object.", form(), object{"email": "a@example.com", "note": object{}}, nil, "“note” must be a text"},
		"bare value":      {"A form with one field takes the bare value.", one(), "Ann", object{"name": "Ann"}, ""},
		"one, as object":  {"And the object.", one(), object{"name": "Ann"}, object{"name": "Ann"}, ""},
		"one, missing":    {"Its label is named.", one(), nil, nil, "“Your name” is missing"},
		"chat":            {"A chat takes a text.", catalog.Params{"kind": "chat"}, "Hi", "Hi", ""},
		"chat, as object": {"Or an object with the message.", catalog.Params{"kind": "chat"}, object{"message": "Hi"}, "Hi", ""},
		"chat, empty":     {"Not an empty one.", catalog.Params{"kind": "chat"}, "  ", nil, "must be a message"},
		"chat, other":     {"Nor anything else.", catalog.Params{"kind": "chat"}, object{"message": "Hi", "more": 1.0}, nil, "must be a message"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := start.Input().Run(t.Context(), &catalog.Call{Params: tc.params, Run: catalog.RunInfo{Input: tc.input}})
			if tc.problem != "" {
				var problem *catalog.Error
				if !errors.As(err, &problem) || problem.Code != v1alpha1.ErrorInvalidInput || !strings.Contains(problem.Message, tc.problem) {
					t.Errorf("%s\ngot %v, want %q", tc.reason, err, tc.problem)
				}
				if err != nil && strings.Contains(err.Error(), "canary") {
					t.Errorf("the error repeats what was sent: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatalf("%s\n%v", tc.reason, err)
			}
			if diff := cmp.Diff(catalog.Main(tc.want), got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}

func TestInputValidates(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		reason string
		field  object
		want   []catalog.FieldProblem
	}{
		"good":        {"A plain field is fine.", object{"name": "email_2"}, nil},
		"odd name":    {"Names are used in expressions.", object{"name": "e-mail"}, []catalog.FieldProblem{{Field: "fields[1].name", Message: "must begin with a letter and hold only letters, digits and _"}}},
		"taken":       {"Names are there once.", object{"name": "first"}, []catalog.FieldProblem{{Field: "fields[1].name", Message: "another field has this name already"}}},
		"no choices":  {"A choice needs choices.", object{"name": "x", "type": "select"}, []catalog.FieldProblem{{Field: "fields[1].options", Message: "give at least one choice"}}},
		"bad default": {"A default must fit.", object{"name": "x", "type": "number", "default": "many"}, []catalog.FieldProblem{{Field: "fields[1].default", Message: "does not fit the kind of the field"}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := start.Input().Validate(catalog.Params{"fields": []any{object{"name": "first"}, tc.field}})
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("%s\n(-want +got):\n%s", tc.reason, diff)
			}
		})
	}
}
