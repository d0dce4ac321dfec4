package graph

import "fmt"

// MaxProblems is how many problems of one flow are reported.
const MaxProblems = 500

// flowField is the field of problems of the flow as a whole.
const flowField = "flow"

// problems collects what is wrong with a flow.
type problems struct {
	list []Problem
	full bool
}

func (p *problems) add(component, field, code, message string) {
	if len(p.list) < MaxProblems-1 {
		p.list = append(p.list, Problem{Component: component, Field: field, Code: code, Message: message})
		return
	}
	if !p.full {
		p.full = true
		p.list = append(p.list, Problem{Field: flowField, Code: CodeTooLarge,
			Message: fmt.Sprintf("there are more than %d problems; the others are not listed", MaxProblems-1)})
	}
}

func (p *problems) addf(component, field, code, format string, args ...any) {
	p.add(component, field, code, fmt.Sprintf(format, args...))
}
