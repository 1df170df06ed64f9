"""QuestionnaireResponses against their Questionnaires (R4, questionnaireresponse.html, with SDC's
extensions).
"""
