// Package drawing draws a flow as SVG: what browsers without scripting see of
// its shape, and screen readers hear.
package drawing

import (
	"slices"

	"github.com/weft-run/weft/api/v1alpha1"
)

// Measures of the drawing, in pixels.
const (
	boxWidth  = 168
	boxHeight = 48
	gapX      = 24
	gapY      = 40
	margin    = 12
)

// place is where a step stands: its row counted from the top, and its column.
type place struct{ row, column int }

// layout puts each step one row below the lowest step that leads to it, and
// within the row below the steps that lead to it.
func layout(spec *v1alpha1.FlowSpec) (map[string]place, int, int) {
	rows := rowsOf(spec)
	byRow := make([][]string, 0)
	for _, step := range spec.Components {
		row := rows[step.ID]
		for len(byRow) <= row {
			byRow = append(byRow, nil)
		}
		byRow[row] = append(byRow[row], step.ID)
	}
	places := make(map[string]place, len(spec.Components))
	columns := 0
	for row, ids := range byRow {
		sortByParents(spec, ids, places)
		for column, id := range ids {
			places[id] = place{row: row, column: column}
		}
		columns = max(columns, len(ids))
	}
	return places, len(byRow), columns
}

// rowsOf returns the length of the longest way to each step. Rounds are bounded
// by the number of steps, so that a draft with a circle ends too.
func rowsOf(spec *v1alpha1.FlowSpec) map[string]int {
	rows := make(map[string]int, len(spec.Components))
	for _, step := range spec.Components {
		rows[step.ID] = 0
	}
	last := len(spec.Components) - 1
	for range spec.Components {
		changed := false
		for _, edge := range spec.Edges {
			from, okFrom := rows[edge.Origin]
			to, okTo := rows[edge.Target]
			if okFrom && okTo && to < from+1 && from < last {
				rows[edge.Target] = from + 1
				changed = true
			}
		}
		if !changed {
			break
		}
	}
	return rows
}

func sortByParents(spec *v1alpha1.FlowSpec, ids []string, places map[string]place) {
	weight := make(map[string]float64, len(ids))
	for _, id := range ids {
		weight[id] = meanColumn(spec, id, places)
	}
	slices.SortStableFunc(ids, func(a, b string) int {
		switch {
		case weight[a] < weight[b]:
			return -1
		case weight[a] > weight[b]:
			return 1
		}
		return 0
	})
}

func meanColumn(spec *v1alpha1.FlowSpec, id string, places map[string]place) float64 {
	sum, n := 0, 0
	for _, edge := range spec.Edges {
		if p, placed := places[edge.Origin]; placed && edge.Target == id {
			sum, n = sum+p.column, n+1
		}
	}
	if n == 0 {
		return 0
	}
	return float64(sum) / float64(n)
}
