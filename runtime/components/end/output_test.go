package end_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/weft-run/weft/runtime/catalog"
	"github.com/weft-run/weft/runtime/components/end"
)

func TestOutputGivesWhatComesIn(t *testing.T) {
	t.Parallel()
	value := map[string]any{"a": []any{1.0}}
	got, err := end.Output().Run(t.Context(), &catalog.Call{Inputs: map[string]any{"main": value}})
	if err != nil {
		t.Fatalf("giving the result: %v", err)
	}
	if diff := cmp.Diff(catalog.Main(value), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
