import type Anthropic from "@anthropic-ai/sdk"
import {
  aiSdkTool,
  anthropicTool,
  type ExecuteCodeArguments,
  makeHardenedExecuteCodeTool,
  openAITool
} from "@bulkhead/tool"
import { assert, describe, it } from "@effect/vitest"
import { generateText, jsonSchema, stepCountIs, tool } from "ai"
import { MockLanguageModelV3 } from "ai/test"
import { Effect, Predicate } from "effect"
import type OpenAI from "openai"
import * as MockManager from "./MockManager.js"
import * as Rejection from "./Rejection.js"

const onMock = (behaviour: Parameters<typeof MockManager.make>[1] = {}) => {
  const { alive, manager } = MockManager.make({}, behaviour)
  return { alive, manager, tool: makeHardenedExecuteCodeTool(manager) }
}

const nodesIn = (node: unknown): ReadonlyArray<{ readonly [key: string]: unknown }> => {
  if (Array.isArray(node)) return node.flatMap(nodesIn)
  if (!Predicate.isReadonlyRecord(node)) return []
  return [node, ...Object.values(node).flatMap(nodesIn)]
}

describe("openAITool", () => {
  it("is what the package openai takes, in both APIs", () => {
    const { chatTool, responsesTool } = openAITool()
    const forChat: OpenAI.Chat.Completions.ChatCompletionFunctionTool = {
      ...chatTool,
      function: { ...chatTool.function, parameters: { ...chatTool.function.parameters } }
    }
    const forResponses: OpenAI.Responses.FunctionTool = {
      ...responsesTool,
      parameters: { ...responsesTool.parameters }
    }
    assert.strictEqual(forChat.function.name, "execute_code")
    assert.deepInclude(forResponses, { type: "function", name: "execute_code", strict: false })
    assert.deepStrictEqual(forResponses.parameters?.required, ["code"])
    assert.deepInclude(chatTool.function.parameters.properties.env, {
      anyOf: [{ type: "object", additionalProperties: { type: "string" } }, { type: "null" }]
    })
  })

  it("keeps the rules of strict mode: all members required, no others, and no word that is not known", () => {
    const { parameters, strict } = openAITool({ strict: true }).chatTool.function
    assert.isTrue(strict)
    const nodes = nodesIn(parameters)
    const objects = nodes.filter(({ type }) => type === "object")
    assert.lengthOf(objects, 7)
    for (const { additionalProperties, properties, required } of objects) {
      assert.isFalse(additionalProperties)
      assert.sameMembers(required as Array<string>, Object.keys(properties as object))
    }
    const known = ["type", "properties", "required", "additionalProperties", "anyOf", "items", "enum"]
    const bounds = [
      "description",
      "maxItems",
      "minItems",
      "minimum",
      "maximum",
      "exclusiveMinimum",
      "multipleOf",
      "pattern"
    ]
    const names = nodes.flatMap(({ properties }) => Object.keys(properties ?? {}))
    for (const node of nodes) {
      assert.includeMembers([...known, ...bounds, ...names], Object.keys(node))
    }
    assert.deepStrictEqual(Object.keys(parameters.properties), parameters.required)
  })

  it("runs what strict mode makes a model write", async () => {
    const { manager, tool } = onMock()
    const { execute } = openAITool({ strict: true, tool })
    const args = {
      code: "print('Hello, World!')",
      language: null,
      timeout: null,
      retryOnFailure: null,
      files: [{ path: "data.txt", content: "1", encoding: null }],
      env: [{ name: "GREETING", value: "hello" }],
      secrets: [],
      outputDir: null
    }
    const answer = JSON.parse(await execute(JSON.stringify(args)))
    assert.deepInclude(answer, { success: true, verdict: "Completed", stdout: "Hello, World!\n" })
    const wrong = JSON.parse(await execute({ ...args, env: [{ name: "1", value: "2" }] }))
    assert.include(wrong.error.message, "env.1: expected a name of letters, digits and _")
    await manager.close()
  })

  it("tells a model what is wrong with what it wrote", async () => {
    const { manager, tool } = onMock()
    const { execute } = openAITool({ tool })
    const told = async (args: unknown) => JSON.parse(await execute(args)).error
    assert.deepInclude(await told('{"code": "print(1)'), {
      code: "INVALID_REQUEST",
      message: "arguments: expected one JSON object, but the text is no JSON",
      retryable: false
    })
    assert.deepInclude(await told("{}"), { code: "INVALID_REQUEST", message: "code: is missing" })
    for (const args of ["[]", "null", "1", '"print(1)"', undefined]) {
      assert.strictEqual((await told(args)).code, "INVALID_REQUEST", String(args))
    }
    await manager.close()
  })

  it("shows no more output than told, says what it left out, and escapes what cannot be seen", async () => {
    const { manager, tool } = onMock({
      program: (process) =>
        Effect.as(process.stdout(`\u001b[2J${"😀".repeat(100)}\u009b\u202e`), { exitCode: 0 })
    })
    const text = await openAITool({ tool, outputCharacters: 50 }).execute({ code: "1" })
    assert.notMatch(text, /[\p{Cc}\p{Cf}]/u)
    const { output, stdout } = JSON.parse(text)
    assert.isTrue(output.truncated)
    assert.isTrue(stdout.isWellFormed())
    assert.match(stdout, /^.\[2J(😀)+\n\[\d+ characters left out\]\n(😀)+\u009b\u202e$/u)
    assert.isTrue(stdout.startsWith("\u001b"))
    await manager.close()
  })
})

describe("anthropicTool", () => {
  it("is what the package @anthropic-ai/sdk takes, and so are its answers", async () => {
    const { manager, tool: executeCode } = onMock()
    const { execute, tool } = anthropicTool({ tool: executeCode, userId: "ann" })
    const definition: Anthropic.Messages.Tool = tool
    assert.deepInclude(definition, { name: "execute_code" })
    const answer = async (input: unknown): Promise<Anthropic.Messages.ToolResultBlockParam> => ({
      type: "tool_result",
      tool_use_id: "toolu_1",
      ...(await execute(input))
    })
    const ran = await answer({ code: "print('Hello, World!')" })
    assert.isFalse(ran.is_error)
    assert.strictEqual(JSON.parse(String(ran.content)).stdout, "Hello, World!\n")
    const refused = await answer({ code: 7, userId: "mallory" })
    assert.isTrue(refused.is_error)
    assert.strictEqual(JSON.parse(String(refused.content)).error.code, "INVALID_REQUEST")
    const { items } = await manager.listExecutions()
    assert.deepStrictEqual(
      items.map(({ userId }) => String(userId)),
      ["ann"]
    )
    await manager.close()
  })

  it("does not take a program's failure for its own", async () => {
    const { manager, tool } = onMock({
      program: (process) => Effect.as(process.stderr("no\n"), { exitCode: 3 })
    })
    const { content, is_error } = await anthropicTool({ tool }).execute({ code: "exit(3)" })
    assert.isFalse(is_error)
    assert.deepInclude(JSON.parse(content), {
      success: false,
      verdict: "NonZeroExit",
      exitCode: 3,
      stderr: "no\n"
    })
    await manager.close()
  })
})

describe("aiSdkTool", () => {
  it("is called by the AI SDK, which gives the model the result", async () => {
    const { manager, tool: executeCode } = onMock()
    const usage = {
      inputTokens: { total: 1, noCache: 1, cacheRead: 0, cacheWrite: 0 },
      outputTokens: { total: 1, text: 1, reasoning: 0 }
    }
    const call = {
      type: "tool-call" as const,
      toolCallId: "1",
      toolName: "execute_code",
      input: JSON.stringify({ code: "print('Hello, World!')" })
    }
    const answers = [
      {
        content: [call],
        finishReason: { unified: "tool-calls" as const, raw: undefined },
        usage,
        warnings: []
      },
      {
        content: [{ type: "text" as const, text: "It greets." }],
        finishReason: { unified: "stop" as const, raw: undefined },
        usage,
        warnings: []
      }
    ]
    const model = new MockLanguageModelV3({ doGenerate: answers })
    const { steps, text } = await generateText({
      model,
      prompt: "Greet.",
      tools: { execute_code: tool(aiSdkTool(jsonSchema<ExecuteCodeArguments>, { tool: executeCode })) },
      stopWhen: stepCountIs(2)
    })
    assert.strictEqual(text, "It greets.")
    const [result] = steps[0]?.toolResults ?? []
    assert.deepInclude(result?.output, { success: true, stdout: "Hello, World!\n" })
    const [told] = model.doGenerateCalls[0]?.tools ?? []
    assert.deepInclude(told, { name: "execute_code", type: "function" })
    await manager.close()
  })

  it("kills the program when the AI SDK aborts", async () => {
    const { begun, program } = MockManager.waiting()
    const { alive, manager, tool: executeCode } = onMock({ program })
    const controller = new AbortController()
    const { execute } = aiSdkTool(jsonSchema<ExecuteCodeArguments>, { tool: executeCode })
    const aborted = Rejection.of(execute({ code: "while True: pass" }, { abortSignal: controller.signal }))
    await begun
    controller.abort()
    assert.strictEqual((await aborted).name, "AbortError")
    assert.strictEqual(alive(), 0)
    await manager.close()
  })
})
