"""FHIRPath (N1, http://hl7.org/fhirpath) over FHIR R4, compiled to closures.

    from salus.standards.fhir.fhirpath.environment import Environment
    from salus.standards.fhir.fhirpath.expression import compile_expression

    expression = compile_expression("name.where(use = 'official').given", "Patient")   # cached
    expression(patient)            -> ["Peter", "James"]      plain values
    expression.typed(patient)      -> [("string", "Peter"), ...]   (type name or "System.X", plain value)
    expression.nodes(patient)      -> [Node(value, type, parent, key, index), ...]   with .location
    expression.test(element, env)  -> bool   the rule holds (an empty answer counts as true)

The root type may be left out; with it most paths run on plain dictionaries, four times faster. An element
is given together with `Environment(resource=..., root=...)`, what `%resource` and `%rootResource` mean;
`resolve`, `expand` and `conforms` are functions that the caller supplies. Rules and search parameters of R4
are compiled with `filtering_as=True`. Text from strangers is compiled by `compile_once`, which keeps nothing.
Types are named as in `salus.standards.fhir.model` ("Patient", "Patient.contact", "code").
Everything that fails is `InvalidExpression` (with the position in the text) or `TooCostly`.
"""
