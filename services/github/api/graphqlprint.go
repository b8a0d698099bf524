package api

import (
	"strings"

	"github.com/vektah/gqlparser/v2/ast"
)

// printer writes a document anew, in one spelling: no comment, no description, no block
// string, one space where two names would touch, and nothing between other tokens. What
// it has no spelling for is not written, and err says why.
type printer struct {
	b        strings.Builder
	constant bool // where no variable may stand
	err      *Unresolved
}

// printDocument writes an operation and the fragments that it needs.
func printDocument(o *ast.OperationDefinition, fragments []*ast.FragmentDefinition) (string, *Unresolved) {
	p := &printer{}
	p.write(string(o.Operation))
	if o.Name != "" {
		p.write(" ", o.Name)
	}
	p.variables(o.VariableDefinitions)
	p.directives(o.Directives)
	p.selections(o.SelectionSet)
	for _, f := range fragments {
		if len(f.VariableDefinition) > 0 {
			p.refuse("the GraphQL document has a fragment with variables, which not every reader knows")
		}
		p.write(" fragment ", f.Name, " on ", f.TypeCondition)
		p.directives(f.Directives)
		p.selections(f.SelectionSet)
	}
	return p.b.String(), p.err
}

func (p *printer) write(parts ...string) {
	for _, part := range parts {
		p.b.WriteString(part)
	}
}

func (p *printer) refuse(detail string) {
	if p.err == nil {
		p.err = unresolved(ReasonSyntax, detail)
	}
}

// names refuses a name that comes twice where the specification wants each once: readers
// differ in which of the two counts.
type names map[string]bool

func (n names) add(p *printer, name string) {
	if n[name] {
		p.refuse("the GraphQL document names an argument, a field of an input or a variable twice")
	}
	n[name] = true
}

func (p *printer) variables(all ast.VariableDefinitionList) {
	if len(all) == 0 {
		return
	}
	p.constant = true
	defer func() { p.constant = false }()
	seen := names{}
	for i, v := range all {
		seen.add(p, v.Variable)
		p.write(between(i, "("), "$", v.Variable, ":", v.Type.String())
		if v.DefaultValue != nil {
			p.write("=")
			p.value(v.DefaultValue)
		}
		p.directives(v.Directives)
	}
	p.write(")")
}

// between is what stands before the i-th of several things.
func between(i int, first string) string {
	if i == 0 {
		return first
	}
	return " "
}

func (p *printer) directives(all ast.DirectiveList) {
	for _, d := range all {
		p.write(" @", d.Name)
		p.arguments(d.Arguments)
	}
}

func (p *printer) arguments(all ast.ArgumentList) {
	if len(all) == 0 {
		return
	}
	seen := names{}
	for i, a := range all {
		seen.add(p, a.Name)
		p.write(between(i, "("), a.Name, ":")
		p.value(a.Value)
	}
	p.write(")")
}

func (p *printer) selections(set ast.SelectionSet) {
	if len(set) == 0 {
		return
	}
	for i, s := range set {
		p.write(between(i, "{"))
		switch s := s.(type) {
		case *ast.Field:
			if s.Alias != s.Name {
				p.write(s.Alias, ":")
			}
			p.write(s.Name)
			p.arguments(s.Arguments)
			p.directives(s.Directives)
			p.selections(s.SelectionSet)
		case *ast.FragmentSpread:
			p.write("...", s.Name)
			p.directives(s.Directives)
		case *ast.InlineFragment:
			p.write("...")
			if s.TypeCondition != "" {
				p.write(" on ", s.TypeCondition)
			}
			p.directives(s.Directives)
			p.selections(s.SelectionSet)
		default:
			p.refuse("the GraphQL document does not parse")
		}
	}
	p.write("}")
}

func (p *printer) value(v *ast.Value) {
	switch v.Kind {
	case ast.Variable:
		if p.constant {
			p.refuse("the GraphQL document does not parse: a variable stands where another is defined")
		}
		p.write("$", v.Raw)
	case ast.IntValue, ast.FloatValue, ast.BooleanValue, ast.NullValue, ast.EnumValue:
		p.write(v.Raw)
	case ast.StringValue:
		p.write(quoteGraphQL(v.Raw))
	case ast.ListValue:
		p.write("[")
		for i, element := range v.Children {
			p.write(between(i, ""))
			p.value(element.Value)
		}
		p.write("]")
	case ast.ObjectValue:
		p.write("{")
		seen := names{}
		for i, field := range v.Children {
			seen.add(p, field.Name)
			p.write(between(i, ""), field.Name, ":")
			p.value(field.Value)
		}
		p.write("}")
	default:
		// Block strings, of which a plain document has none.
		p.refuse("the GraphQL document does not parse")
	}
}

// quoteGraphQL writes a string in the escapes that readers are known to agree on. A
// backslash before a "u" is written by its number: who replaces pairs of backslashes first
// and such numbers after them would read another character.
func quoteGraphQL(s string) string {
	const hex = "0123456789abcdef"
	var b strings.Builder
	b.Grow(len(s) + 2)
	b.WriteByte('"')
	for i, c := range s {
		switch short := strings.IndexRune("\"\\\b\f\n\r\t", c); {
		case c == '\\' && strings.HasPrefix(s[i+1:], "u"):
			b.WriteString(`\u005c`)
		case short >= 0:
			b.WriteByte('\\')
			b.WriteByte(`"\bfnrt`[short])
		case c < ' ', 0x7f <= c && c < 0xa0, c == 0x2028, c == 0x2029, c == 0xfeff:
			b.WriteString(`\u`)
			for shift := 12; shift >= 0; shift -= 4 {
				b.WriteByte(hex[c>>shift&15])
			}
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
