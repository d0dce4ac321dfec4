package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"runtime"
	"strings"
	"text/template"
	"time"
)

//go:embed report.md.tmpl
var reportTemplate string

// figures of one run, as they are reported.
type figures struct {
	Options     options
	Peers       []*peer
	Memory      memory
	Apply, Save latencies
}

func (f *figures) write(path string) error {
	page, err := f.render(time.Now().UTC())
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, page, 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	fmt.Fprintf(os.Stderr, "wrote %s\n", path)
	return nil
}

func (f *figures) render(now time.Time) ([]byte, error) {
	parsed, err := template.New("report").Funcs(template.FuncMap{
		"mib":     func(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) },
		"seconds": func(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) },
		"cell":    func(d time.Duration) string { return d.Round(10 * time.Microsecond).String() },
		"median":  func(p *peer) load { return p.median() },
	}).Parse(reportTemplate)
	if err != nil {
		return nil, fmt.Errorf("parsing the report's template: %w", err)
	}
	var out bytes.Buffer
	if err := parsed.Execute(&out, map[string]any{
		"Date": now.Format("2006-01-02"), "Machine": machine(), "Go": runtime.Version(), "Figures": f,
		"Connections": connections, "Samples": samples,
		"RuntimeToBare": f.ratio(1, 0), "GatewayToNodeRED": f.ratio(2, 3),
	}); err != nil {
		return nil, fmt.Errorf("writing the report: %w", err)
	}
	return out.Bytes(), nil
}

// ratio of the median rates of two peers.
func (f *figures) ratio(a, b int) string {
	return fmt.Sprintf("%.2f", f.Peers[a].median().PerSecond/f.Peers[b].median().PerSecond)
}

// machine describes the processor and the memory that the figures hold for.
func machine() string {
	model := "unknown processor"
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.SplitSeq(string(data), "\n") {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%d cores, %s", runtime.NumCPU(), model)
}
