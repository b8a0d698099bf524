package api

import "github.com/vektah/gqlparser/v2/ast"

// Route is a line of the table, for tests that go through all of it.
type Route struct {
	Method, Path, Products, Surface string
	Operation                       Operation
}

// Routes lists the REST part of the table.
func Routes() []Route {
	var all []Route
	for _, r := range operationsTable().rest {
		all = append(all, Route{r.method, r.path, r.products, r.surface, r.op})
	}
	return all
}

// ReadTable parses a packed table from scratch.
func ReadTable() error {
	_, err := readTable(packedTable)
	return err
}

// ParseGraphQL is ReadGraphQL without a reader.
func ParseGraphQL(media string, body []byte) ([]Operation, []byte, error) {
	operations, printed, err := parseGraphQL(media, body)
	if err != nil {
		return nil, nil, err
	}
	return operations, printed, nil
}

// ParsedGraphQL is what a request's document says, before it is printed anew.
func ParsedGraphQL(body []byte) (*ast.OperationDefinition, []*ast.FragmentDefinition, error) {
	r, err := readGraphQLRequest(body)
	if err != nil {
		return nil, nil, err
	}
	d, err := r.document()
	if err != nil {
		return nil, nil, err
	}
	return d.operation, d.fragments, nil
}

// IsRef is the rule for ref names.
func IsRef(s string) bool { return isRef(s) }
