package graph

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// FuzzDecode says that no bytes make Decode, Compile or Hash panic, that every
// problem is complete, and that what was decoded can be written and read again.
func FuzzDecode(f *testing.F) {
	for i := range uint64(8) {
		data, err := json.Marshal(newGenerator(i).flow())
		if err != nil {
			f.Fatalf("writing a flow: %v", err)
		}
		f.Add(data)
	}
	cat := testCatalog(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		spec, problems := Decode(data)
		check(t, nil, problems, "fuzz", 0)
		if spec == nil {
			return
		}
		plan, problems := Compile(spec, cat)
		check(t, spec, problems, "fuzz", 0)
		if (plan == nil) != (len(problems) > 0) {
			t.Errorf("got a plan: %v, and %d problems", plan != nil, len(problems))
		}
		again, err := json.Marshal(spec)
		if err != nil {
			t.Fatalf("writing the flow: %v", err)
		}
		second, problems := Decode(again)
		if len(again) <= MaxBytes && len(problems) > 0 {
			t.Fatalf("what was written cannot be read: %v\n%s", problems, again)
		}
		if second != nil && Hash(spec) != Hash(second) {
			t.Errorf("the hash changes: %s", cmp.Diff(spec, second))
		}
	})
}
