package audit

import (
	"strings"

	"github.com/google/uuid"
)

// Sought is what a filter makes an index look for.
type Sought struct {
	// terms are to be found all, each in one of its forms. Those that few exchanges have come first.
	Terms   [][]Term
	Needles [][]byte // in the intent's payload
	Never   bool     // nothing can match
}

// maxForms operations that a pattern means are looked for one by one; more are
// looked for by what they begin with.
const maxForms = 16

// Seek says what to look for. Which operations there are that a pattern means, only the trail knows.
func (f *Filter) Seek(operations func() ([]string, error)) (Sought, error) {
	var q Sought
	if f.Mark != "" {
		q.Terms = append(q.Terms, []Term{newTerm(fieldMark, f.Mark)})
	}
	for _, field := range searchFields {
		if field.name == "agent_name" && f.Agent != uuid.Nil {
			q.word(agentField.terms(), string(f.Agent[:]))
		}
		if field.glob { // it is told by the kinds
			q.texts(f.Text)
			if err := q.operation(f.Operation, operations); err != nil {
				return Sought{}, err
			}
			continue
		}
		q.field(field, *field.filter(f))
	}
	if f.Status != 0 {
		q.Terms = append(q.Terms, []Term{Term(fieldStatus)<<40 | Term(f.Status)})
	}
	return q, nil
}

func (q *Sought) texts(text string) {
	for _, t := range grams(text) {
		q.Terms = append(q.Terms, []Term{t, LongPath})
	}
}

// field looks for a word in an intent, where it is to be found as it is, or in an outcome.
func (q *Sought) field(f *field, value string) {
	switch {
	case value == "":
	case f.in.tag != 0:
		q.word(f.terms(), value)
	default:
		q.Terms = append(q.Terms, []Term{newTerm(f.terms(), value)})
	}
}

func (q *Sought) word(field byte, value string) {
	if value != "" {
		q.Terms = append(q.Terms, []Term{newTerm(field, value)})
		q.Needles = append(q.Needles, []byte(value))
	}
}

// operation finds out what a pattern means: the operations that there are.
func (q *Sought) operation(pattern string, operations func() ([]string, error)) error {
	prefix, _, wild := strings.Cut(pattern, "*")
	if !wild {
		q.word(tagOperation, pattern)
		return nil
	}
	names, err := operations()
	if err != nil {
		return err
	}
	if len(names) <= maxForms {
		q.Never = len(names) == 0
		var forms []Term
		for _, name := range names {
			forms = append(forms, newTerm(tagOperation, name))
		}
		q.Terms = append(q.Terms, forms)
		return nil
	}
	if all := services(prefix); len(all) > 0 {
		q.Terms = append(q.Terms, []Term{newTerm(fieldService, all[len(all)-1])})
	}
	return nil
}
