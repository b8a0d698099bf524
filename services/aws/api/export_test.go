package api

// Count is how many operations the models hold, by the table's own word.
func Count() int { return operationsTable().operations }
