package results

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds one line of what go test prints: a test may print a lot.
const maxLine = 16 << 20

// event is a line of go test -json. Its fields are those of cmd/test2json and
// of "go help buildjson".
type event struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
	Elapsed    float64
}

// goTest follows one run of go test.
type goTest struct {
	out    io.Writer
	count  Count
	output map[string][]string // of tests that have not ended, by package and name
	tests  map[string]int      // by package: how many ended
	failed map[string]int
	build  map[string][]string // of packages that do not compile
}

// GoTest reads what "go test -json" prints. It writes a line for each package
// and everything that failing tests have printed.
func GoTest(in io.Reader, out io.Writer) (Count, error) {
	g := &goTest{
		out: out, output: map[string][]string{}, tests: map[string]int{}, failed: map[string]int{}, build: map[string][]string{},
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(make([]byte, 64<<10), maxLine)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || e.Action == "" {
			g.print("%s\n", lines.Text())
			continue
		}
		g.handle(e)
	}
	if err := lines.Err(); err != nil {
		return g.count, fmt.Errorf("reading the output of go test: %w", err)
	}
	return g.count, nil
}

func (g *goTest) handle(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		g.build[e.ImportPath] = append(g.build[e.ImportPath], e.Output)
	case "build-fail":
		g.print("%s", strings.Join(g.build[e.ImportPath], ""))
		delete(g.build, e.ImportPath)
	case "output":
		g.output[key] = append(g.output[key], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			g.endPackage(e)
		} else {
			g.endTest(e)
		}
		delete(g.output, key)
	}
}

func (g *goTest) endTest(e event) {
	g.tests[e.Package]++
	switch e.Action {
	case "pass":
		g.count.Passed++
	case "skip":
		g.count.Skipped++
	case "fail":
		g.count.Failed++
		g.failed[e.Package]++
		g.print("--- FAIL %s %s\n%s", e.Package, e.Test, strings.Join(g.output[e.Package+" "+e.Test], ""))
	}
}

// endPackage writes the line of a package. One that fails without a failing
// test (it does not compile, panics, or runs out of time) counts as one test.
func (g *goTest) endPackage(e event) {
	switch {
	case e.Action == "fail":
		if g.failed[e.Package] == 0 {
			g.count.Failed++
		}
		g.print("%s", g.leftOver(e.Package))
		g.print("FAIL  %s  %.1fs\n", e.Package, e.Elapsed)
	case g.tests[e.Package] > 0:
		g.print("ok    %s  %.1fs  %d tests\n", e.Package, e.Elapsed, g.tests[e.Package])
	}
}

// leftOver returns what a package printed outside of tests that have ended: the
// trace of a panic belongs to the test that was running.
func (g *goTest) leftOver(pkg string) string {
	var text strings.Builder
	for key, lines := range g.output {
		if strings.HasPrefix(key, pkg+" ") {
			text.WriteString(strings.Join(lines, ""))
		}
	}
	return text.String()
}

// print writes for a person; nobody is left to tell when that fails.
func (g *goTest) print(format string, args ...any) {
	_, _ = fmt.Fprintf(g.out, format, args...)
}
