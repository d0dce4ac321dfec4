package progress_test

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/weft-run/weft/hack/cluster/internal/progress"
)

func TestStep(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	printer := progress.New(&out)
	err := printer.Step(t.Context(), "baking", func(context.Context, *progress.Detail) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.HasPrefix(got, "cluster: baking …\ncluster: baking: done in ") {
		t.Errorf("printed %q", got)
	}
}

func TestStepFailure(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	burnt := errors.New("burnt")
	err := progress.New(&out).Step(t.Context(), "baking", func(context.Context, *progress.Detail) error { return burnt })
	if !errors.Is(err, burnt) || err.Error() != "baking: burnt" {
		t.Errorf("error is %v", err)
	}
	if strings.Contains(out.String(), "done") {
		t.Errorf("a failed step is reported as done: %q", out.String())
	}
}
