from bot_text import opening


def call_api(prompt, options, context):
    if "fail" in context["vars"]["question"]:
        return {"error": "the shop is closed"}
    return {"output": opening(prompt, options["config"]["shop"]), "tokenUsage": {"total": 3}}


async def second(prompt, options, context):
    return {"output": "at ten"}
